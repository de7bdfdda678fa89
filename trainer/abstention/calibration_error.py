"""How far probabilities are from the fraction of predictions that are right.

A claim is a probability and whether what it says is true. In classification each image makes one claim: its best class
is right. In multilabel it makes one for each class: the image has this label.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from service.bundle.spec import Task
from trainer.training.tasks import TASKS
from trainer.training.tasks.numbers import FloatArray

BIN_COUNT = 15
_EDGES = np.arange(BIN_COUNT + 1) / BIN_COUNT
_SEED = 21
_DRAWS = 1_000  # resamples, and simulations
_DRAWN_AT_ONCE = 2**20  # random numbers, which bounds the memory
_MOST_GROUPS = 10_000

Float64Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Claims:
    """What a model claims of some images.

    Attributes:
        probabilities: float64 [N, M], the probability of each claim; M is 1 for classification, K for multilabel.
        true: bool [N, M], which claims are true.
    """

    probabilities: Float64Array
    true: npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Perfect:
    """The calibration error that would be found if every probability were right: it is not 0, since images are few.

    Attributes:
        mean: On average.
        upper: 95 of 100 such models stay below it.
    """

    mean: float
    upper: float


@dataclass(frozen=True, kw_only=True)
class Bin:
    """The claims whose probability is in one of 15 equal parts.

    Attributes:
        low: Of these probabilities; the first bin includes it.
        high: Of these probabilities, which the bin includes.
        count: Number of claims.
        confidence: Mean probability of the claims; None without a claim.
        accuracy: Which fraction of the claims is true; None without a claim.
    """

    low: float
    high: float
    count: int
    confidence: float | None
    accuracy: float | None


def claims_of(probabilities: FloatArray, targets: npt.NDArray[Any], *, task: Task) -> Claims:
    """Collect the claims of a model.

    Args:
        probabilities: [N, K].
        targets: int64 [N] for classification, float32 [N, K] for multilabel.
        task: Which of the two.
    """
    claimed, true = TASKS[task].claims(probabilities, targets)
    return Claims(probabilities=claimed, true=true)


def calibration_error(claims: Claims) -> float:
    """Expected calibration error (ECE) with 15 equal bins.

    The mean difference between the probability and the fraction of true claims of a bin, weighed by the number of its
    claims (Guo et al. 2017, "On Calibration of Modern Neural Networks", arXiv:1706.04599, equation 3).
    """
    return _error(_gaps(claims, _equal_bins(claims.probabilities)), claims)


def adaptive_calibration_error(claims: Claims) -> float:
    """Calibration error with 15 bins that have the same number of claims each.

    So a bin is never nearly empty (the adaptive bins of Nixon et al. 2019, "Measuring Calibration in Deep Learning",
    arXiv:1904.01685). Equal probabilities are in one bin, so that the order of the images does not matter.
    """
    values = claims.probabilities.ravel()
    last = np.arange(1, BIN_COUNT) * len(values) // BIN_COUNT - 1
    last = np.unique(last[last >= 0])
    edges = np.partition(values, last)[last] if len(last) else values[:0]
    return _error(_gaps(claims, np.searchsorted(edges, claims.probabilities, side="left")), claims)


def calibration_interval(claims: Claims, perfect: Perfect) -> tuple[float, float]:
    """95 % interval of the calibration error, from 1,000 resamples of the images.

    An image that is drawn twice makes the errors of its bins larger, so resamples have a larger calibration error than
    the images, as these have a larger one than all images that there could be. The basic bootstrap (Davison and Hinkley
    1997, "Bootstrap Methods and their Application", 5.2) reflects them at the error that was found, which takes this
    away. The interval always includes that error, and 0 if perfect calibration may show as much.

    Args:
        claims: Of the images; those of one image are drawn together.
        perfect: See `perfect_calibration`.
    """
    gaps = _gaps(claims, _equal_bins(claims.probabilities))
    images = len(gaps)
    random = np.random.default_rng(_SEED)
    drawn = []
    for size in _parts(images):
        picks = random.integers(images, size=(size, images)) + images * np.arange(size)[:, np.newaxis]
        weights = np.bincount(picks.ravel(), minlength=size * images).reshape(size, images)
        drawn.append(np.abs(weights @ gaps).sum(axis=1) / claims.probabilities.size)
    low, high = np.quantile(np.concatenate(drawn), (0.025, 0.975))
    found = _error(gaps, claims)
    lowest = 0.0 if found <= perfect.upper else float(np.clip(2 * found - high, 0, found))
    return lowest, float(np.clip(2 * found - low, found, 1))


def perfect_calibration(claims: Claims) -> Perfect:
    """Find the calibration error that these probabilities would show if they were right, in 1,000 simulations.

    In each, every claim is true with its own probability, independently of the others. Of many claims, neighbours in
    probability are drawn together, with their mean: 10,000 groups at most.
    """
    values = np.sort(claims.probabilities, axis=None)
    first_of_bins = np.searchsorted(values, _EDGES[1:-1], side="right")
    first_of_groups = np.linspace(0, len(values), min(len(values), _MOST_GROUPS), endpoint=False).astype(np.int64)
    first = np.unique([*first_of_bins[first_of_bins < len(values)], *first_of_groups])
    sizes = np.diff(first, append=len(values))
    means = np.clip(np.add.reduceat(values, first) / sizes, 0, 1)
    members = np.eye(BIN_COUNT)[_equal_bins(values[first])]
    random = np.random.default_rng(_SEED)
    found = np.concatenate(
        [
            np.abs((random.binomial(sizes, means, size=(size, len(sizes))) - sizes * means) @ members).sum(axis=1)
            for size in _parts(len(sizes))
        ]
    )
    found /= len(values)
    return Perfect(mean=float(found.mean()), upper=float(np.quantile(found, 0.95)))


def reliability_bins(claims: Claims) -> tuple[Bin, ...]:
    """Compare probabilities with the fraction of true claims in each of 15 equal bins, in rising order."""
    numbers = _equal_bins(claims.probabilities).ravel()
    counts = np.bincount(numbers, minlength=BIN_COUNT)
    sums, hits = (
        np.bincount(numbers, values.ravel(), minlength=BIN_COUNT) for values in (claims.probabilities, claims.true)
    )
    return tuple(
        Bin(
            low=float(_EDGES[number]),
            high=float(_EDGES[number + 1]),
            count=int(count),
            confidence=float(sums[number] / count) if count else None,
            accuracy=float(hits[number] / count) if count else None,
        )
        for number, count in enumerate(counts)
    )


def _equal_bins(probabilities: Float64Array) -> IntArray:
    """The number of the bin of each probability: a bin has its upper edge, the first one also 0."""
    return np.maximum(np.searchsorted(_EDGES, probabilities, side="left") - 1, 0)


def _gaps(claims: Claims, bins: IntArray) -> Float64Array:
    """By how much the probabilities of each image are too high, together, in each bin: [N, 15]."""
    images = len(bins)
    cells = bins + BIN_COUNT * np.arange(images)[:, np.newaxis]
    differences = claims.probabilities - claims.true
    sums = np.bincount(cells.ravel(), differences.ravel(), minlength=images * BIN_COUNT)
    return np.asarray(sums.reshape(images, BIN_COUNT), dtype=np.float64)


def _error(gaps: Float64Array, claims: Claims) -> float:
    return float(np.abs(gaps.sum(axis=0)).sum() / claims.probabilities.size)


def _parts(width: int) -> list[int]:
    """How many draws are made at once, if each needs this many random numbers; together 1,000."""
    most = max(1, _DRAWN_AT_ONCE // width)
    return [min(most, _DRAWS - start) for start in range(0, _DRAWS, most)]
