from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.trainer import trainer
from tests.trainer.run.test_fit import OPTIONS


@pytest.mark.parametrize("part", ["catalog.csv", "checkpoints/best.safetensors", "checkpoints/last.safetensors"])
def test_a_run_that_lacks_a_part_says_so_on_export(photos: Path, tmp_path: Path, cache: Path, part: str) -> None:
    """Without its last state there was a traceback."""
    run = tmp_path / "run"
    assert trainer("fit", photos, "--cache", cache, *OPTIONS, "--epochs", "1", "--out", run).exit_code == 0
    (run / part).unlink()
    shutil.rmtree(run / "bundle")
    result = trainer("export", run, "--out", tmp_path / "bundle", "--cache", cache)
    assert result.exit_code == 2, result.output
    assert f"{run} has no {part} yet; go on with it: python -m trainer resume {run}" in result.stderr
