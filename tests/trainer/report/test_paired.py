"""Differences between two models on the same images."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.metrics import f1_score

from trainer.report.paired import compare_accuracy, compare_f1, f1_of, sign_test

Values = npt.NDArray[np.bool_]


def cells(both: int, lost: int, gained: int, neither: int) -> tuple[Values, Values]:
    """Which images two models predict correctly, by the four cells of the table of McNemar."""
    first = [True] * (both + lost) + [False] * (gained + neither)
    second = [True] * both + [False] * lost + [True] * gained + [False] * neither
    return np.array(first), np.array(second)


def test_the_exact_test_of_mcnemar() -> None:
    first, second = cells(60, 3, 15, 22)
    paired = compare_accuracy(first, second, np.arange(100))
    assert (paired.first, paired.second, paired.gained, paired.lost) == (0.63, 0.75, 15, 3)
    assert paired.p_value == pytest.approx(0.0075378, abs=1e-6)  # 2 * (1 + 18 + 153 + 816) / 2 ** 18
    assert paired.difference == pytest.approx(0.12)
    assert paired.is_clear


def test_the_interval_of_bonett_and_price() -> None:
    """(16 - 4) / 102 +- 1.96 * sqrt((20 / 102 - (12 / 102) ** 2) / 102)."""
    paired = compare_accuracy(*cells(60, 3, 15, 22), np.arange(100))
    assert paired.interval == pytest.approx((0.0348, 0.2005), abs=1e-4)


def test_the_interval_contains_the_truth_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    inside = 0
    for _ in range(400):
        drawn = random.multinomial(80, [0.7, 0.06, 0.14, 0.1])
        low, high = compare_accuracy(*cells(*drawn.tolist()), np.arange(80)).interval
        inside += low <= 0.08 <= high
    assert 0.93 <= inside / 400 <= 0.985


def test_no_change_is_not_taken_for_certainty() -> None:
    paired = compare_accuracy(*cells(5, 0, 0, 1), np.arange(6))
    assert paired.p_value == 1
    assert paired.interval[0] < -0.2
    assert paired.interval[1] > 0.2
    assert not paired.is_clear
    few = compare_accuracy(*cells(50, 0, 0, 10), np.arange(60) // 10).interval
    many = compare_accuracy(*cells(50, 0, 0, 10), np.arange(60)).interval
    assert few[1] > many[1]


def test_copies_of_an_image_are_no_more_evidence_than_one() -> None:
    first, second = cells(30, 2, 10, 18)
    alone = compare_accuracy(first, second, np.arange(60))
    copied = compare_accuracy(np.repeat(first, 5), np.repeat(second, 5), np.repeat(np.arange(60), 5))
    assert copied.p_value == alone.p_value
    assert copied.difference == alone.difference
    assert copied.interval == pytest.approx(alone.interval, abs=0.01)
    naive = compare_accuracy(np.repeat(first, 5), np.repeat(second, 5), np.arange(300))
    assert naive.interval[1] - naive.interval[0] < 0.6 * (copied.interval[1] - copied.interval[0])


def test_units_that_are_better_and_worse_at_once_count_by_their_sum() -> None:
    assert sign_test(np.array([1, -1, 1, 1, 1]), np.array([0, 0, 1, 2, 3])) == pytest.approx(0.25)


def test_micro_f1_and_its_interval() -> None:
    random = np.random.default_rng(1)
    targets = random.random((400, 6)) < 0.3
    first = targets ^ (random.random(targets.shape) < 0.12)
    second = targets ^ (random.random(targets.shape) < 0.08)
    paired = compare_f1(first, second, targets, np.arange(400))
    assert paired.first == pytest.approx(f1_score(targets, first, average="micro"))
    assert paired.second == pytest.approx(f1_score(targets, second, average="micro"))
    assert paired.gained == ((first != targets) & (second == targets)).sum()
    assert f1_of(first, targets) == pytest.approx(f1_score(targets, first, average=None))
    resampled = []
    for _ in range(400):
        rows = random.integers(400, size=400)
        now, was = (
            2 * (predicted & targets)[rows].sum() / (predicted[rows].sum() + targets[rows].sum())
            for predicted in (second, first)
        )
        resampled.append(now - was)
    assert paired.interval == pytest.approx(np.percentile(resampled, (2.5, 97.5)).tolist(), abs=0.006)


def test_images_without_any_label() -> None:
    nothing = np.zeros((4, 3), dtype=np.bool_)
    paired = compare_f1(nothing, nothing, nothing, np.arange(4))
    assert (paired.first, paired.second, paired.p_value) == (0, 0, 1)
    assert f1_of(nothing, nothing).tolist() == [0, 0, 0]
