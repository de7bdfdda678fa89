"""Two models on the same images: the difference of their accuracies or F1, its interval, and whether it may be chance.

Images that show nearly the same are one unit: they are right or wrong together, so they are less evidence than as many
different images.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

_NORMAL_97_5 = 1.959963984540054  # 97.5 % point of the normal distribution


@dataclass(frozen=True, kw_only=True)
class Paired:
    """How a second model differs from a first one.

    Attributes:
        first: Accuracy or F1 of the first model, 0..1.
        second: The same of the second one.
        interval: 95 % interval of second - first.
        gained: Number of predictions that were wrong and became right.
        lost: Number of those that were right and became wrong.
        p_value: Probability of a difference as large as this in either direction, if the models are equally good.
    """

    first: float
    second: float
    interval: tuple[float, float]
    gained: int
    lost: int
    p_value: float

    @property
    def difference(self) -> float:
        """Second - first."""
        return self.second - self.first

    @property
    def is_clear(self) -> bool:
        """Whether the interval is on one side of 0."""
        return self.interval[0] > 0 or self.interval[1] < 0


def compare_accuracy(first: BoolArray, second: BoolArray, units: IntArray) -> Paired:
    """Compare which images two models predict correctly.

    The interval is that of Bonett and Price (2012, "Adjusted Wald confidence interval for a difference of binomial
    proportions based on paired data"), which also holds if few predictions differ, for the effective number of images:
    that of independent images with the same variance (Rao and Scott 1992). The p-value is that of `sign_test`.

    Args:
        first: bool [N], N at least 1.
        second: bool [N].
        units: int64 [N], which images belong together.
    """
    changes = second.astype(np.int64) - first
    gained, lost = int((changes > 0).sum()), int((changes < 0).sum())
    weight = 1 / _design_effect(changes, units)
    count = weight * len(changes) + 2
    up, down = (weight * gained + 1) / count, (weight * lost + 1) / count
    reach = _NORMAL_97_5 * math.sqrt((up + down - (up - down) ** 2) / count)
    return Paired(
        first=float(first.mean()),
        second=float(second.mean()),
        interval=(max(-1.0, up - down - reach), min(1.0, up - down + reach)),
        gained=gained,
        lost=lost,
        p_value=sign_test(changes, units),
    )


def compare_f1(first: BoolArray, second: BoolArray, targets: BoolArray, units: IntArray) -> Paired:
    """Compare the labels that two models give images with several labels each.

    The micro F1 of a model is a ratio of sums over the images; the interval of the difference comes from the influence
    of each unit on it (the delta method). The p-value is that of `sign_test` on the number of right decisions.

    Args:
        first: bool [N, K], what the first model predicts.
        second: bool [N, K].
        targets: bool [N, K].
        units: int64 [N], which images belong together.
    """
    scores, influences = zip(*(_f1_with_influence(predicted, targets) for predicted in (first, second)), strict=True)
    groups = _group_sums(influences[1] - influences[0], units)
    reach = _NORMAL_97_5 * math.sqrt(len(groups) / max(1, len(groups) - 1) * float((groups**2).sum()))
    was, now = first == targets, second == targets
    return Paired(
        first=scores[0],
        second=scores[1],
        interval=(max(-1.0, scores[1] - scores[0] - reach), min(1.0, scores[1] - scores[0] + reach)),
        gained=int((now & ~was).sum()),
        lost=int((was & ~now).sum()),
        p_value=sign_test(now.sum(axis=1) - was.sum(axis=1), units),
    )


def sign_test(changes: npt.NDArray[np.integer[Any]], units: IntArray) -> float:
    """Exact two-sided p-value: are units that became better as frequent as those that became worse?

    If each image is a unit, this is the exact test of McNemar (1947).

    Args:
        changes: int [N], by how much each image became better.
        units: int64 [N].
    """
    sums = _group_sums(changes.astype(np.float64), units)
    better, worse = int((sums > 0).sum()), int((sums < 0).sum())
    return float(stats.binomtest(better, better + worse).pvalue) if better + worse else 1.0


def f1_of(predicted: BoolArray, targets: BoolArray) -> FloatArray:
    """F1 of each class: bool [N, K], bool [N, K] -> float64 [K]; 0 for a class that is neither there nor predicted."""
    right = (predicted & targets).sum(axis=0)
    return np.asarray(2 * right / np.maximum(1, predicted.sum(axis=0) + targets.sum(axis=0)), dtype=np.float64)


def _design_effect(changes: IntArray, units: IntArray) -> float:
    """How many times the variance of the mean is that of as many independent images; at least 1."""
    deviations = changes - changes.mean()
    groups = _group_sums(deviations, units)
    if not deviations.any() or len(groups) < 2:
        return len(changes) / len(groups)
    alone, grouped = (len(each) / (len(each) - 1) * float((each**2).sum()) for each in (deviations, groups))
    return max(1.0, grouped / alone)


def _f1_with_influence(predicted: BoolArray, targets: BoolArray) -> tuple[float, FloatArray]:
    """Micro F1, and the influence of each image on it."""
    right = (predicted & targets).sum(axis=1)
    given = predicted.sum(axis=1) + targets.sum(axis=1)
    total = max(1, int(given.sum()))
    score = 2 * float(right.sum()) / total
    return score, (2 * right - score * given) / total


def _group_sums(values: FloatArray, units: IntArray) -> FloatArray:
    return np.bincount(np.unique(units, return_inverse=True)[1], values).astype(np.float64)
