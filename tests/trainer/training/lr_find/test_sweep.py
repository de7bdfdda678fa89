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
from trainer.training.lr_find.sweep import SweepCurve, SweepPlan, TrainStep, sweep


class FakeTraining:
    """Training steps with given losses and without a network; keeps the learning rates that were tried."""

    def __init__(self, *losses: Callable[[int], float]) -> None:
        self.losses = losses
        self.tried: list[list[float]] = []

    def start(self, number: int) -> TrainStep:
        lrs: list[float] = []
        self.tried.append(lrs)

        def step(lr: float) -> torch.Tensor:
            lrs.append(lr)
            return torch.tensor(self.losses[number](len(lrs) - 1), dtype=torch.float64)

        return step

    def sweep(self, **plan: int) -> SweepCurve:
        return sweep(nn.Linear(1, 1), [self.start], SweepPlan(sweeps=len(self.losses), **plan), progress=NoProgress())


def smoothed(losses: list[float]) -> list[float]:
    """By its formula: a debiased exponential average with 0.98."""
    weights = [[0.98 ** (end - position) for position in range(end + 1)] for end in range(len(losses))]
    return [float(np.average(losses[: len(row)], weights=row)) for row in weights]


def test_learning_rates_are_fast_ais_and_so_is_what_is_shown_of_them() -> None:
    training = FakeTraining(lambda step: 3.0 - step / 100)
    curve = training.sweep()
    (tried,) = training.tried
    assert len(tried) == 100
    assert (tried[0], tried[-1]) == (pytest.approx(1e-7), pytest.approx(10))
    assert np.ptp(np.diff(np.log(tried))) < 1e-9
    assert curve.lrs.tolist() == tried[10:-5]
    assert curve.losses == pytest.approx(np.array(smoothed([3.0 - step / 100 for step in range(100)])[10:-5]))


def test_a_sweep_ends_when_the_smoothed_loss_is_over_four_times_its_lowest() -> None:
    def loss(step: int) -> float:
        return 1.0 if step < 50 else 10.0 * (step - 49)

    training = FakeTraining(loss)
    curve = training.sweep()
    steps = [loss(step) for step in range(100)]
    last = next(number for number, average in enumerate(smoothed(steps)) if average > 4 * min(smoothed(steps)))
    assert len(training.tried[0]) == last + 1
    assert curve.lrs.tolist() == training.tried[0][10 : last - 5]


def test_a_loss_that_is_not_finite_ends_a_sweep_too() -> None:
    training = FakeTraining(lambda step: 1.0 if step < 60 else float("nan"))
    assert len(training.sweep().lrs) == 60 - 10 - 5
    assert len(training.tried[0]) == 61


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_at_once_is_reported(broken: float) -> None:
    with pytest.raises(FitError, match="the loss diverged within 0 steps of a learning rate sweep, at 1e-07"):
        FakeTraining(lambda _: broken).sweep()


def test_the_curve_is_the_median_between_the_lowest_and_the_highest() -> None:
    training = FakeTraining(lambda _: 2.0, lambda _: 5.0, lambda step: 3.0 if step < 70 else 1e9)
    curve = training.sweep()
    assert [len(lrs) for lrs in training.tried] == [100, 100, 71]
    assert len(curve.lrs) == 70 - 10 - 5  # up to the end of the shortest
    assert np.unique(curve.losses) == pytest.approx(3)
    assert np.unique(curve.lowest) == pytest.approx(2)
    assert np.unique(curve.highest) == pytest.approx(5)


def test_steps_are_halved_until_they_fit_the_budget() -> None:
    plan = SweepPlan(steps=100, sweeps=3)
    assert plan.within(60.0, step_s=0.2) == plan
    assert plan.within(60.0, step_s=0.3).steps == 50
    assert plan.within(60.0, step_s=100.0).steps == 25


def test_a_decade_of_learning_rates_is_smoothed_the_same_whatever_the_number_of_steps() -> None:
    assert SweepPlan().smoothing == pytest.approx(0.98)
    assert SweepPlan(steps=50).smoothing == pytest.approx(0.98**2)
    assert SweepPlan(lr_min=1e-6, lr_max=1.0, steps=75).smoothing == pytest.approx(0.98)


def test_a_budget_that_is_used_up_allows_one_sweep() -> None:
    training = FakeTraining(lambda _: 2.0, lambda _: 2.0, lambda _: 2.0)
    curve = sweep(nn.Linear(1, 1), [training.start], SweepPlan(budget_s=0.0), progress=NoProgress())
    assert [len(lrs) for lrs in training.tried] == [4, 25]  # to time a step, and one sweep
    assert len(curve.lrs) == 25 - 2 - 1


@pytest.mark.parametrize(("step_s", "chosen"), [(0.0, 0), (0.012, 1), (0.08, 2)])
def test_if_the_fewest_steps_take_too_long_cheaper_ones_are_used(step_s: float, chosen: int) -> None:
    steps_of = [0, 0, 0]

    def start(number: int, *, kind: int) -> TrainStep:
        def step(lr: float) -> torch.Tensor:
            time.sleep(step_s / 8**kind)
            steps_of[kind] += 1
            return torch.tensor(2.0)

        return step

    starts = [partial(start, kind=kind) for kind in range(3)]
    sweep(nn.Linear(1, 1), starts, SweepPlan(steps=36, budget_s=0.25), progress=NoProgress())
    for kind, steps in enumerate(steps_of):
        if kind < chosen:
            assert 0 < steps <= 4  # to time them
        elif kind == chosen:
            assert steps >= 18
        else:
            assert steps == 0


@pytest.mark.parametrize(("losses", "ceiling"), [([4.0, 2.0, 90.0], 5.4), ([1.0, 0.99, 90.0], 1.35), ([3.0, 2.0], 3.0)])
def test_a_curve_is_drawn_up_to_its_fall_and_not_to_where_it_diverges(losses: list[float], ceiling: float) -> None:
    values = np.array(losses)
    curve = SweepCurve(
        lrs=np.arange(1.0, 1 + len(losses)), losses=values, lowest=values, highest=values, diverged=True, seconds=1.0
    )
    assert curve.ceiling == pytest.approx(ceiling)
