from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.training.schedule import OneCycle


def test_it_starts_peaks_and_ends_at_the_learning_rates_and_momenta_of_fast_ai() -> None:
    schedule = OneCycle(steps=1001, max_lr=3e-3)
    assert schedule.at(0) == pytest.approx((3e-3 / 25, 0.95))
    assert schedule.at(300) == pytest.approx((3e-3, 0.85))
    assert schedule.at(1000) == pytest.approx((3e-3 / 2.5e5, 0.95))


def test_it_follows_its_formula_to_the_ninth_digit() -> None:
    schedule = OneCycle(steps=101, max_lr=1.0)
    for step in range(101):
        position = step / 100
        if position < 0.3:
            done = position / 0.3
            low, high = 1 / 25, 1.0
            expected = low + (high - low) * (1 - math.cos(math.pi * done)) / 2
        else:
            done = (position - 0.3) / 0.7
            low, high = 1 / 2.5e5, 1.0
            expected = low + (high - low) * (1 + math.cos(math.pi * done)) / 2
        lr, _ = schedule.at(step)
        assert lr == pytest.approx(expected, abs=1e-9)


@given(steps=st.integers(1, 500), data=st.data())
def test_momentum_falls_as_the_learning_rate_rises(steps: int, data: st.DataObject) -> None:
    step = data.draw(st.integers(0, steps - 1))
    lr, momentum = OneCycle(steps=steps, max_lr=0.1).at(step)
    assert 0 < lr <= 0.1
    assert 0.85 <= momentum <= 0.95
    floor = 0.1 / 25 if step / max(1, steps - 1) < 0.3 else 0.1 / 2.5e5
    assert momentum == pytest.approx(0.95 - 0.1 * (lr - floor) / (0.1 - floor), abs=1e-9)


@pytest.mark.parametrize("step", [-1, 10])
def test_a_step_outside_of_the_schedule_is_refused(step: int) -> None:
    with pytest.raises(ValueError, match="is not one of 10"):
        OneCycle(steps=10, max_lr=1.0).at(step)
