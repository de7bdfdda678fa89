from __future__ import annotations

import numpy as np
import pytest

from trainer.abstention.coverage import error_by_coverage


def test_the_error_of_the_most_certain_images() -> None:
    curve = error_by_coverage(np.array([0.5, 0.9, 0.7, 0.8]), np.array([False, True, False, True]))
    assert curve.coverage == (0.25, 0.5, 0.75, 1.0)
    assert curve.error == pytest.approx((0, 0, 1 / 3, 1 / 2))


def test_images_of_the_same_certainty_are_not_divided() -> None:
    certainty, correct = np.array([1.0, 1.0, 1.0, 0.4]), np.array([True, False, True, False])
    for order in ([0, 1, 2, 3], [3, 1, 0, 2]):
        curve = error_by_coverage(certainty[order], correct[order])
        assert curve.coverage == (0.75, 1.0)
        assert curve.error == pytest.approx((1 / 3, 1 / 2))
    same = error_by_coverage(np.ones(5), np.array([True, True, True, True, False]))
    assert (same.coverage, same.error) == ((1.0,), (0.2,))


@pytest.mark.parametrize("count", [1, 99, 100, 101, 12_345])
def test_many_images_give_100_points_at_most(count: int) -> None:
    random = np.random.default_rng(count)
    certainty, correct = random.random(count), random.random(count) < 0.8
    curve = error_by_coverage(certainty, correct)
    assert len(curve.coverage) == min(count, 100)
    assert np.all(np.diff(curve.coverage) > 0)
    assert curve.coverage[-1] == 1
    assert curve.error[-1] == pytest.approx(1 - correct.mean())
    order = np.argsort(-certainty)
    for coverage, error in zip(curve.coverage, curve.error, strict=True):
        assert error == pytest.approx(1 - correct[order[: round(coverage * count)]].mean())
