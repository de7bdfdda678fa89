from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from trainer.errors import FitError
from trainer.progress import NoProgress
from trainer.training.lr_find.sweep import Plan, Step, SweepCurve, sweep


class Follow:
    """Sweeps a network that has no part in it: the losses are given. Remembers the rates that were tried."""

    def __init__(self, *losses: Callable[[int], float]) -> None:
        self.losses = losses
        self.tried: list[list[float]] = []

    def begin(self, number: int) -> Step:
        rates: list[float] = []
        self.tried.append(rates)

        def step(rate: float) -> torch.Tensor:
            rates.append(rate)
            return torch.tensor(self.losses[number](len(rates) - 1), dtype=torch.float64)

        return step

    def sweep(self, **plan: int) -> SweepCurve:
        return sweep(nn.Linear(1, 1), self.begin, Plan(sweeps=len(self.losses), **plan), progress=NoProgress())


def smoothed(losses: list[float]) -> list[float]:
    """By its formula: a debiased exponential average with 0.98."""
    weights = [[0.98 ** (end - position) for position in range(end + 1)] for end in range(len(losses))]
    return [float(np.average(losses[: len(row)], weights=row)) for row in weights]


def test_rates_are_fast_ais_and_so_is_what_is_shown_of_them() -> None:
    follow = Follow(lambda step: 3.0 - step / 100)
    curve = follow.sweep()
    (tried,) = follow.tried
    assert len(tried) == 100
    assert (tried[0], tried[-1]) == (pytest.approx(1e-7), pytest.approx(10))
    assert np.ptp(np.diff(np.log(tried))) < 1e-9
    assert curve.lrs.tolist() == tried[10:-5]
    assert curve.losses == pytest.approx(np.array(smoothed([3.0 - step / 100 for step in range(100)])[10:-5]))


def test_a_sweep_ends_where_the_smoothed_loss_is_four_times_its_least() -> None:
    def loss(step: int) -> float:
        return 1.0 if step < 50 else 10.0 * (step - 49)

    follow = Follow(loss)
    curve = follow.sweep()
    steps = [loss(step) for step in range(100)]
    burst = next(number for number, average in enumerate(smoothed(steps)) if average > 4 * min(smoothed(steps)))
    assert len(follow.tried[0]) == burst + 1
    assert curve.lrs.tolist() == follow.tried[0][10 : burst - 5]


def test_a_loss_that_is_no_number_ends_a_sweep_too() -> None:
    follow = Follow(lambda step: 1.0 if step < 60 else float("nan"))
    assert len(follow.sweep().lrs) == 60 - 10 - 5
    assert len(follow.tried[0]) == 61


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_at_once_is_said(broken: float) -> None:
    with pytest.raises(FitError, match="the loss burst within 0 steps of the learning rate sweep, at a rate of 1e-07"):
        Follow(lambda _: broken).sweep()


def test_the_curve_is_the_median_within_the_least_and_the_most() -> None:
    follow = Follow(lambda _: 2.0, lambda _: 5.0, lambda step: 3.0 if step < 70 else 1e9)
    curve = follow.sweep()
    assert [len(rates) for rates in follow.tried] == [100, 100, 71]
    assert len(curve.lrs) == 70 - 10 - 5  # as far as the shortest went
    assert np.unique(curve.losses) == pytest.approx(3)
    assert np.unique(curve.lowest) == pytest.approx(2)
    assert np.unique(curve.highest) == pytest.approx(5)


def test_fewer_steps_fit_a_budget() -> None:
    plan = Plan(steps=100, sweeps=3)
    assert plan.within(60.0, step_s=0.2) == plan
    assert plan.within(60.0, step_s=0.3).steps == 50
    assert plan.within(60.0, step_s=100.0).steps == 25


def test_a_decade_of_rates_is_smoothed_alike_whatever_the_steps() -> None:
    assert Plan().smoothing == pytest.approx(0.98)
    assert Plan(steps=50).smoothing == pytest.approx(0.98**2)
    assert Plan(low=1e-6, high=1.0, steps=75).smoothing == pytest.approx(0.98)


def test_a_budget_that_is_used_up_ends_the_sweeps_after_the_first() -> None:
    follow = Follow(lambda _: 2.0, lambda _: 2.0, lambda _: 2.0)
    curve = sweep(nn.Linear(1, 1), follow.begin, Plan(), progress=NoProgress(), budget_s=0.0)
    assert [len(rates) for rates in follow.tried] == [4, 25]  # to see how long a step takes, and one sweep
    assert len(curve.lrs) == 25 - 2 - 1


@pytest.mark.parametrize(("slow_s", "taken"), [(0.0, 0), (0.012, 1), (0.08, 2)])
def test_where_the_fewest_steps_take_too_long_cheaper_ones_are_taken(slow_s: float, taken: int) -> None:
    """Two minutes were said, whatever a step took."""
    steps_of = [0, 0, 0]

    def begin(number: int, *, kind: int) -> Step:
        def step(rate: float) -> torch.Tensor:
            time.sleep(slow_s / 8**kind)
            steps_of[kind] += 1
            return torch.tensor(2.0)

        return step

    first, *cheaper = [partial(begin, kind=kind) for kind in range(3)]
    plan = Plan(steps=36)
    sweep(nn.Linear(1, 1), first, plan, progress=NoProgress(), budget_s=0.25, cheaper=cheaper)
    for kind, steps in enumerate(steps_of):
        if kind < taken:
            assert 0 < steps <= 4  # to see how long they take
        elif kind == taken:
            assert steps >= 18
        else:
            assert steps == 0


@pytest.mark.parametrize(("losses", "ceiling"), [([4.0, 2.0, 90.0], 5.4), ([1.0, 0.99, 90.0], 1.35), ([3.0, 2.0], 3.0)])
def test_what_is_drawn_of_a_curve_is_its_fall_and_not_its_burst(losses: list[float], ceiling: float) -> None:
    values = np.array(losses)
    curve = SweepCurve(
        lrs=np.arange(1.0, 1 + len(losses)), losses=values, lowest=values, highest=values, diverged=True, seconds=1.0
    )
    assert curve.ceiling == pytest.approx(ceiling)
