"""What the trainer's tests share."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

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
