from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from tests.trainer.insight.diagnosis.curves import sweep_of
from trainer.fitting.rate_search.found_rate import FoundRate, write_found
from trainer.fitting.rate_search.suggestions import Suggestions
from trainer.fitting.rate_search.sweep import Curve
from trainer.insight.diagnosis.sweep import Sweep, read_sweep

FOUND = FoundRate(
    curve=Curve(
        rates=np.array([1e-3, 1.0]), losses=np.ones(2), least=np.ones(2), most=np.ones(2), burst=True, seconds=1.0
    ),
    suggestions=Suggestions(valley=0.01, steepest=0.2, minimum_tenth=0.05),
    chosen=0.05,
    rule="mean",
)


def test_a_sweep_of_the_whole_network_is_read(tmp_path: Path) -> None:
    path = tmp_path / "lr_find.json"
    assert read_sweep(path) is None
    write_found(path, {"head": FOUND})
    assert read_sweep(path) is None
    write_found(path, {"head": FOUND, "whole": FOUND})
    assert read_sweep(path) == Sweep(lowest=0.01, highest=0.2, chosen=0.05, rule="mean")


def test_a_sweep_whose_loss_did_not_fall_is_one_all_the_same(tmp_path: Path) -> None:
    """Its suggestions read noise, but above the rate that was chosen the loss rises."""
    path = tmp_path / "lr_find.json"
    write_found(path, {"whole": dataclasses.replace(FOUND, rule="edge")})
    assert read_sweep(path) == Sweep(lowest=0.05, highest=0.05, chosen=0.05, rule="edge")


def test_a_sweep_that_does_not_say_is_none(tmp_path: Path) -> None:
    """The loss of a network that knew nothing hardly moved, and that was taken for a word on the rate."""
    path = tmp_path / "lr_find.json"
    write_found(path, {"whole": dataclasses.replace(FOUND, rule="own")})
    assert read_sweep(path) is None


def test_a_third_of_the_lowest_rate_is_low() -> None:
    sweep = sweep_of(0.03, 0.2)
    assert sweep.calls_low(0.009)
    assert not sweep.calls_low(0.011)
    assert not sweep.calls_low(5.0)


def test_a_rate_is_about_that_which_was_chosen_up_to_three_times_it() -> None:
    sweep = sweep_of(0.01, 0.1)
    assert [sweep.about(rate) for rate in (0.01, 0.011, 0.09, 0.1)] == [False, True, True, False]
