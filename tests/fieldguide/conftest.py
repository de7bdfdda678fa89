from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import fieldguide
from tests.support.bundles import write_tiny_bundle
from tests.support.photos import write_folder

# A fit that takes a second.
FAST: dict[str, Any] = {
    "backbone": "tiny", "epochs": 2, "batch_size": 8, "lr": 0.02, "device": "cpu", "progress": False,
}  # fmt: skip


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `photos`, `cache` and a finished run in `run`. Do not change it."""
    folder = tmp_path_factory.mktemp("home")
    photos = write_folder(folder / "photos")
    fieldguide.fit(photos, out=folder / "run", cache=folder / "cache", **FAST)
    return folder


@pytest.fixture(scope="session")
def run(home: Path) -> fieldguide.Run:
    """The finished run."""
    return fieldguide.open_run(home / "run")


@pytest.fixture(scope="session")
def bundle_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classification bundle with heatmaps: red, green, blue."""
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "colours")
