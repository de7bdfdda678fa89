from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.training.schedule import one_cycle


def test_starts_peaks_and_ends_where_fast_ai_does() -> None:
    steps = 1001
    assert one_cycle(0, steps=steps, max_lr=3e-3) == pytest.approx((3e-3 / 25, 0.95))
    assert one_cycle(300, steps=steps, max_lr=3e-3) == pytest.approx((3e-3, 0.85))
    assert one_cycle(1000, steps=steps, max_lr=3e-3) == pytest.approx((3e-3 / 2.5e5, 0.95))


def test_follows_its_formula_to_the_ninth_digit() -> None:
    for step in range(101):
        position = step / 100
        if position < 0.3:
            share = position / 0.3
            low, high = 1 / 25, 1.0
            expected = low + (high - low) * (1 - math.cos(math.pi * share)) / 2
        else:
            share = (position - 0.3) / 0.7
            low, high = 1 / 2.5e5, 1.0
            expected = low + (high - low) * (1 + math.cos(math.pi * share)) / 2
        rate, _ = one_cycle(step, steps=101, max_lr=1.0)
        assert rate == pytest.approx(expected, abs=1e-9)


@given(steps=st.integers(1, 500), data=st.data())
def test_momentum_mirrors_the_rate(steps: int, data: st.DataObject) -> None:
    step = data.draw(st.integers(0, steps - 1))
    rate, momentum = one_cycle(step, steps=steps, max_lr=0.1)
    assert 0 < rate <= 0.1
    assert 0.85 <= momentum <= 0.95
    floor = 0.1 / 25 if step / max(1, steps - 1) < 0.3 else 0.1 / 2.5e5
    assert momentum == pytest.approx(0.95 - 0.1 * (rate - floor) / (0.1 - floor), abs=1e-9)


@pytest.mark.parametrize("step", [-1, 10])
def test_refuses_a_step_that_is_none(step: int) -> None:
    with pytest.raises(ValueError, match="is not one of 10"):
        one_cycle(step, steps=10, max_lr=1.0)
