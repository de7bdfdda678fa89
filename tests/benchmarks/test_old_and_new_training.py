from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

import pytest

from tests.benchmarks.environment import ROOT
from tests.benchmarks.old_and_new_training import epoch_speeds, fine_tuning_speed, fit_arguments
from tests.benchmarks.pairs import Checkout
from tests.support.photos import write_folder

OPTIONS = {
    "root": None,
    "epochs": 1,
    "head_epochs": 0,
    "backbone": "tiny",
    "size": None,
    "batch_size": 4,
    "threads": 1,
}
THIS = Checkout(folder=ROOT, python=Path(sys.executable))


@pytest.mark.parametrize("core", [None, min(os.sched_getaffinity(0))])
def test_a_fit_is_a_process_whose_speed_is_read_from_its_history(tmp_path: Path, core: int | None) -> None:
    photos, work = write_folder(tmp_path / "photos", each=4), tmp_path / "work"
    arguments = fit_arguments(argparse.Namespace(photos=photos, **OPTIONS))
    assert arguments[1:] == [
        "--epochs", "1", "--head-epochs", "0", "--backbone", "tiny", "--batch-size", "4", "--threads", "1",
        "--device", "cpu", "--seed", "0",
    ]  # fmt: skip
    assert fine_tuning_speed(THIS, arguments, epochs=1, work=work, core=core) > 0
    assert [path.name for path in work.iterdir()] == ["cache"]


def test_a_fit_that_fails_ends_the_benchmark_with_its_message(tmp_path: Path) -> None:
    arguments = fit_arguments(argparse.Namespace(photos=tmp_path / "nothing", **OPTIONS))
    with pytest.raises(SystemExit, match="nothing"):
        fine_tuning_speed(THIS, arguments, epochs=1, work=tmp_path / "work")


def test_only_epochs_of_fine_tuning_have_a_speed(tmp_path: Path) -> None:
    records = [
        {"event": "stage", "stage": "features", "images_per_second": 100.0},
        {"event": "epoch", "stage": "head", "epoch": 0},
        {"event": "step", "epoch": 1, "loss": 1.0},
        {"event": "epoch", "stage": "finetune", "epoch": 1, "images_per_second": 40.0},
        {"event": "epoch", "stage": "whole", "epoch": 2, "images_per_second": 60.0},
    ]
    history = tmp_path / "history.jsonl"
    assert epoch_speeds(history) == []
    history.write_text("".join(json.dumps(record) + "\n" for record in records) + '{"event": "epo')
    assert epoch_speeds(history) == [40.0, 60.0]
