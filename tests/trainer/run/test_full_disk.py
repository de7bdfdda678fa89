"""A disk that is full in the midst of training: it is said, and the run goes on as if nothing had been."""

from __future__ import annotations

from pathlib import Path

import safetensors.torch

from tests.support.full_disk import no_file_over
from tests.support.trainer import trainer
from tests.trainer.run.test_training import OPTIONS, outcome, recipe

__all__ = ["recipe"]  # the fixture: a state is saved after every step


def test_a_disk_that_is_full_while_it_trains(photos: Path, tmp_path: Path, cache: Path, recipe: Path) -> None:
    fit = ("fit", photos, "--recipe", recipe, "--cache", cache, *OPTIONS)
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert trainer(*fit, "--out", whole).exit_code == 0
    last = Path("checkpoints", "last.safetensors")
    with no_file_over((whole / last).stat().st_size * 3 // 4):  # there is room for it without the optimizer's moments
        failed = trainer(*fit, "--out", run)
    assert failed.exit_code == 1
    assert f"error: {run / last}: File too large" in failed.stderr
    assert [path.name for path in (run / "checkpoints").iterdir()] == [last.name]
    assert not any(name.startswith("optimizer") for name in safetensors.torch.load_file(run / last))
    resumed = trainer("resume", run, "--cache", cache, "--device", "cpu")
    assert resumed.exit_code == 0, resumed.stderr
    assert outcome(run) == outcome(whole)
