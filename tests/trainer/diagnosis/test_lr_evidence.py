from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from tests.trainer.diagnosis.curves import sweep_of
from trainer.diagnosis.lr_evidence import Sweep, read_sweep
from trainer.training.lr_find.result import LRFindResult, write_lr_find
from trainer.training.lr_find.suggestions import Suggestions
from trainer.training.lr_find.sweep import SweepCurve

FOUND = LRFindResult(
    curve=SweepCurve(
        lrs=np.array([1e-3, 1.0]), losses=np.ones(2), lowest=np.ones(2), highest=np.ones(2), diverged=True, seconds=1.0
    ),
    suggestions=Suggestions(valley=0.01, steepest=0.2, minimum_tenth=0.05),
    suggestion=0.05,
    rule="mean",
)


def test_a_sweep_of_the_whole_network_is_read(tmp_path: Path) -> None:
    path = tmp_path / "lr_find.json"
    assert read_sweep(path) is None
    write_lr_find(path, {"head": FOUND})
    assert read_sweep(path) is None
    write_lr_find(path, {"head": FOUND, "finetune": FOUND})
    assert read_sweep(path) == Sweep(lowest=0.01, highest=0.2, suggestion=0.05, rule="mean")


def test_a_sweep_whose_loss_did_not_fall_is_one_all_the_same(tmp_path: Path) -> None:
    """Its suggestions read noise, but above the rate that was chosen the loss rises."""
    path = tmp_path / "lr_find.json"
    write_lr_find(path, {"finetune": dataclasses.replace(FOUND, rule="edge")})
    assert read_sweep(path) == Sweep(lowest=0.05, highest=0.05, suggestion=0.05, rule="edge")


def test_a_sweep_that_does_not_say_is_none(tmp_path: Path) -> None:
    """The loss of a network that knew nothing hardly moved, and that was taken for a word on the rate."""
    path = tmp_path / "lr_find.json"
    write_lr_find(path, {"finetune": dataclasses.replace(FOUND, rule="recipe")})
    assert read_sweep(path) is None


def test_a_third_of_the_lowest_rate_is_low() -> None:
    sweep = sweep_of(0.03, 0.2)
    assert sweep.calls_low(0.009)
    assert not sweep.calls_low(0.011)
    assert not sweep.calls_low(5.0)


def test_a_rate_is_about_that_which_was_chosen_up_to_three_times_it() -> None:
    sweep = sweep_of(0.01, 0.1)
    assert [sweep.about(rate) for rate in (0.01, 0.011, 0.09, 0.1)] == [False, True, True, False]
