from __future__ import annotations

import numpy as np
import pytest

from trainer.checking.rules import Rule, outliers

LOW = Rule(side="low", limit=0.4, distance=0.2)
HIGH = Rule(side="high", limit=0.6, distance=0.2)


def usual(count: int = 200, *, at: float = 0.7, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(at, 0.03, count)


def test_values_far_from_the_median_and_beyond_the_limit_are_found() -> None:
    values = usual()
    values[[3, 50]] = 0.1, 0.35
    values[60] = 0.45  # far from the others, but fine in itself
    assert outliers(values, LOW).positions.tolist() == [3, 50]
    assert outliers(1 - values, HIGH).positions.tolist() == [3, 50]
    assert outliers(values, LOW).median == pytest.approx(0.7, abs=0.01)
    assert outliers(1 - values, HIGH).median == pytest.approx(0.3, abs=0.01)


def test_what_is_common_to_the_set_is_nothing_special() -> None:
    values = usual(at=0.2)
    values[7] = 0.15
    result = outliers(values, LOW)
    assert not len(result.positions)
    assert not result.common


def test_an_even_darker_one_stands_out_from_a_dark_set() -> None:
    values = usual(at=0.35)
    values[7] = 0.01
    assert outliers(values, LOW).positions.tolist() == [7]


def test_a_large_part_of_the_set_is_counted_and_not_found() -> None:
    values = usual()
    values[:40] = 0.1
    result = outliers(values, LOW)
    assert not len(result.positions)
    assert result.common == 40


def test_in_a_varied_set_more_is_usual() -> None:
    values = np.random.default_rng(0).uniform(0.3, 1, 300)
    values[5] = 0.2
    assert not len(outliers(values, LOW).positions)


@pytest.mark.parametrize("values", [np.array([]), np.array([0.1]), np.full(50, 0.1)])
def test_sets_in_which_nothing_can_stand_out(values: np.ndarray) -> None:
    for rule in (LOW, HIGH):
        result = outliers(values, rule)
        assert not len(result.positions)
        assert not result.common


def test_equal_values_have_no_deviation() -> None:
    values = np.full(50, 0.7)
    values[9] = 0.3
    values[10] = 0.55
    assert outliers(values, LOW).positions.tolist() == [9]
