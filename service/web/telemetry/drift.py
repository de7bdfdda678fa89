"""Drift: whether the images are still like the validation images, judged from the predictions alone. Keeps no image.

The measure is the population stability index of the fractions a (actual) and e (expected), sum((a - e) ln(a / e)).
Conventionally, under 0.1 is no change, over 0.25 a large one. By chance alone it is about
(bins - 1) (1 / predictions + 1 / images) for samples of the same population (Yurdakul and Naranjo 2020, "Statistical
properties of the population stability index", Journal of Risk Model Validation 14). With many classes and few images
that is not small: compare the index with it. Bins with only a few entries make it smaller.
"""

from __future__ import annotations

import bisect
import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from service.prediction import Label

WINDOW = 1000  # how many of the latest predictions count
_PRIOR = 0.5  # added to every bin, so that an empty one has a logarithm

Counts = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Reference:
    """The predictions on the validation images.

    Attributes:
        class_counts: float64 [K], how many images got each class.
        confidence_counts: float64 [B], how many images had their best probability in each bin.
        confidence_edges: float64 [B + 1], edges of the bins, ascending.
    """

    class_counts: Counts
    confidence_counts: Counts
    confidence_edges: Counts

    @classmethod
    def from_metrics(cls, metrics: Mapping[str, Any], *, class_count: int) -> Reference | None:
        """Read `reference` of a bundle's metrics.json; None if it is missing, invalid or of other classes."""
        try:
            reference = metrics["reference"]
            fractions = np.asarray(reference["class_fractions"], dtype=np.float64)
            counts = np.asarray(reference["confidence_counts"], dtype=np.float64)
            edges = np.asarray(reference["confidence_edges"], dtype=np.float64)
        except (KeyError, TypeError, ValueError):
            return None
        fits = fractions.shape == (class_count,) and counts.ndim == 1 and edges.shape == (len(counts) + 1,)
        if not fits or not all(np.isfinite(numbers).all() and (numbers >= 0).all() for numbers in (fractions, counts)):
            return None
        if counts.sum() <= 0 or not (np.diff(edges) > 0).all():
            return None
        return cls(class_counts=fractions * counts.sum(), confidence_counts=counts, confidence_edges=edges)


@dataclass(frozen=True, kw_only=True)
class Index:
    """A population stability index, and its size by chance; both NaN before there are predictions."""

    value: float
    by_chance: float


class Drift:
    """Compares the latest predictions with the reference."""

    def __init__(self, reference: Reference) -> None:
        self._reference = reference
        self._inner_edges: list[float] = reference.confidence_edges[1:-1].tolist()
        # Classes and confidence bin of each prediction.
        self._predictions: deque[tuple[tuple[int, ...], int]] = deque(maxlen=WINDOW)

    @property
    def prediction_count(self) -> int:
        """How many predictions are compared."""
        return len(self._predictions)

    def add(self, labels: Sequence[Label], best: Label) -> None:
        """Add a prediction: the classes that count for it, and its best class."""
        position = bisect.bisect_right(self._inner_edges, best.probability)
        self._predictions.append((tuple(label.index for label in labels), position))

    def indices(self) -> dict[str, Index]:
        """Return the indices of the classes and of the confidence."""
        classes = [index for indices, _ in self._predictions for index in indices]
        bins = [position for _, position in self._predictions]
        expected = self._reference
        return {
            "class": _index(classes, expected.class_counts),
            "confidence": _index(bins, expected.confidence_counts),
        }


def _index(positions: list[int], expected: Counts) -> Index:
    if not positions or expected.sum() <= 0:
        return Index(value=math.nan, by_chance=math.nan)
    actual = np.bincount(positions, minlength=len(expected)).astype(np.float64)
    used = actual + expected > 0  # a bin that is always empty does not vary
    by_chance = (np.count_nonzero(used) - 1) * (1 / actual.sum() + 1 / expected.sum())
    return Index(value=population_stability_index(actual[used], expected[used]), by_chance=float(by_chance))


def population_stability_index(actual: Counts, expected: Counts) -> float:
    """Return the index of two histograms, which is never negative.

    Args:
        actual: float64 [B], counts of each bin, at least one in all.
        expected: float64 [B], the same of the same bins.
    """
    a, e = ((counts + _PRIOR) / (counts + _PRIOR).sum() for counts in (actual, expected))
    return float(((a - e) * np.log(a / e)).sum())
