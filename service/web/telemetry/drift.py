"""Whether what comes in is still like what the model was validated on; told from the answers alone, keeping no image.

The measure is the population stability index of shares a (answers) and e (expected), sum((a - e) ln(a / e)); by custom
under 0.1 is no change and over 0.25 a great one. By chance alone it is about (bins - 1) (1 / answers + 1 / images) for
samples of the same population (Yurdakul and Naranjo 2020, "Statistical properties of the population stability index",
Journal of Risk Model Validation 14), which with many classes and few images is not small: compare with that. Bins with
only a handful of entries make it less.
"""

from __future__ import annotations

import bisect
import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from service.web.record import Verdict

WINDOW = 1000  # the latest answers that are looked at
_PRIOR = 0.5  # counted into every bin, so that an empty one has a logarithm

Counts = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Reference:
    """What the answers looked like on validation images.

    class_counts       float64 [K], how many images got each class
    confidence_counts  float64 [B], how many had their best probability in each bin
    confidence_edges   float64 [B + 1], ascending
    """

    class_counts: Counts
    confidence_counts: Counts
    confidence_edges: Counts

    @classmethod
    def from_metrics(cls, metrics: Mapping[str, Any], *, class_count: int) -> Reference | None:
        """`reference` of a bundle's metrics.json; None where it has none that fits its classes."""
        try:
            found = metrics["reference"]
            shares = np.asarray(found["class_shares"], dtype=np.float64)
            counts = np.asarray(found["confidence_counts"], dtype=np.float64)
            edges = np.asarray(found["confidence_edges"], dtype=np.float64)
        except (KeyError, TypeError, ValueError):
            return None
        fits = shares.shape == (class_count,) and counts.ndim == 1 and edges.shape == (len(counts) + 1,)
        if not fits or not all(np.isfinite(numbers).all() and (numbers >= 0).all() for numbers in (shares, counts)):
            return None
        if counts.sum() <= 0 or not (np.diff(edges) > 0).all():
            return None
        return cls(class_counts=shares * counts.sum(), confidence_counts=counts, confidence_edges=edges)


@dataclass(frozen=True, kw_only=True)
class Index:
    """A population stability index, and what it would be by chance; not a number before there are answers."""

    value: float
    by_chance: float


class Drift:
    """The latest answers against the reference."""

    def __init__(self, reference: Reference) -> None:
        self._reference = reference
        self._inner_edges: list[float] = reference.confidence_edges[1:-1].tolist()
        self._answers: deque[tuple[tuple[int, ...], int]] = deque(maxlen=WINDOW)

    @property
    def answers(self) -> int:
        """How many answers are looked at."""
        return len(self._answers)

    def add(self, verdict: Verdict, *, multilabel: bool) -> None:
        """Take an answer in: its best class, or every label that it was given, and its best probability."""
        labels = verdict.labels if multilabel else (verdict.best,)
        position = bisect.bisect_right(self._inner_edges, verdict.best.probability)
        self._answers.append((tuple(label.index for label in labels), position))

    def indices(self) -> dict[str, Index]:
        """Of the classes and of the confidence."""
        classes = [index for indices, _ in self._answers for index in indices]
        bins = [position for _, position in self._answers]
        expected = self._reference
        return {
            "class": _index(classes, expected.class_counts),
            "confidence": _index(bins, expected.confidence_counts),
        }


def _index(found: list[int], expected: Counts) -> Index:
    if not found or expected.sum() <= 0:
        return Index(value=math.nan, by_chance=math.nan)
    actual = np.bincount(found, minlength=len(expected)).astype(np.float64)
    used = actual + expected > 0  # a bin that nothing ever falls into tells nothing, and cannot vary
    by_chance = (np.count_nonzero(used) - 1) * (1 / actual.sum() + 1 / expected.sum())
    return Index(value=population_stability_index(actual[used], expected[used]), by_chance=float(by_chance))


def population_stability_index(actual: Counts, expected: Counts) -> float:
    """From two histograms float64 [B] of the same bins, each with at least one entry; never negative."""
    a, e = ((counts + _PRIOR) / (counts + _PRIOR).sum() for counts in (actual, expected))
    return float(((a - e) * np.log(a / e)).sum())
