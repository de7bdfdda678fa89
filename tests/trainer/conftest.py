"""What the trainer's tests share."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from tests.support.cleaning import write_trained_run
from tests.support.photos import write_folder


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Tiny networks are slower on several threads, and much slower if the cores are busy."""
    torch.set_num_threads(1)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of 36 images in three classes."""
    return write_folder(tmp_path / "photos")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A folder for decoded images."""
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def trained_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos, of which two are wrong, and a run of them: `write_trained_run`. Do not change it."""
    home = tmp_path_factory.mktemp("trained")
    write_trained_run(home)
    return home


@pytest.fixture
def trained_run(trained_home: Path, tmp_path: Path) -> Path:
    """A copy of that run; its photos are where they were."""
    return Path(shutil.copytree(trained_home / "run", tmp_path / "run"))
