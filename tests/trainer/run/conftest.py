from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def every_step(tmp_path: Path) -> Path:
    """A recipe that saves a checkpoint after every step."""
    path = tmp_path / "recipe.toml"
    path.write_text("checkpoint_s = 0\n")
    return path
