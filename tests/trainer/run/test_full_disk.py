"""A disk that is full in the middle of a run is reported, and the run continues as if nothing had happened."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch

from service.bundle import read_bundle
from tests.support.full_disk import no_file_over
from tests.support.runs import outcome
from tests.support.trainer import error_of, trainer
from tests.trainer.run.test_fit import OPTIONS


def test_a_disk_that_is_full_during_training(photos: Path, tmp_path: Path, cache: Path, every_step: Path) -> None:
    fit = ("fit", photos, "--recipe", every_step, "--cache", cache, *OPTIONS)
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert trainer(*fit, "--out", whole).exit_code == 0
    last = Path("checkpoints", "last.safetensors")
    with no_file_over((whole / last).stat().st_size * 3 // 4):  # there is room for it without the optimizer's moments
        failed = trainer(*fit, "--out", run)
    assert failed.exit_code == 1
    assert error_of(failed).startswith(f"error: {run / last}: File too large")
    assert [path.name for path in (run / "checkpoints").iterdir()] == [last.name]
    assert not any(name.startswith("optimizer") for name in safetensors.torch.load_file(run / last))
    resumed = trainer("resume", run, "--cache", cache, "--device", "cpu")
    assert resumed.exit_code == 0, resumed.stderr
    assert outcome(run) == outcome(whole)


def test_a_run_that_ends_before_its_report_is_written_is_not_finished(
    photos: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bundle existed, so that resume called the run finished and left it without its report."""
    run = tmp_path / "run"

    def full(*_arguments: Any, **_options: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(run / "report.html"))

    with monkeypatch.context() as patch:
        patch.setattr("trainer.run.fit.write_report", full)
        result = trainer("fit", photos, "--cache", cache, *OPTIONS, "--out", run)
    assert result.exit_code == 1
    assert f"; free space and continue with: fieldguide resume {run}" in error_of(result)
    assert not list(run.glob("*bundle*"))
    resumed = trainer("resume", run, "--cache", cache, "--device", "cpu", "--json")
    assert resumed.exit_code == 0, resumed.output
    assert (run / "report.html").exists()
    assert json.loads(resumed.stdout)["digest"] == read_bundle(run / "bundle").digest
    assert not list(run.glob(".*"))
