"""Arrays of probabilities: what the metrics of every task need."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]
_SMALLEST_PROBABILITY = 1e-12  # keeps the logarithm finite


def clipped(probabilities: FloatArray) -> npt.NDArray[np.float64]:
    """Keep probabilities so far from 0 and 1 that the logarithms of both p and 1 - p are finite."""
    return np.clip(probabilities.astype(np.float64), _SMALLEST_PROBABILITY, 1 - _SMALLEST_PROBABILITY)


def entropy_terms(frequencies: FloatArray) -> FloatArray:
    """Return -f log f of each frequency, in nats."""
    return -frequencies * np.log(np.where(frequencies > 0, frequencies, 1))


def sum_coarse(probabilities: FloatArray, coarse_indices: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Sum the probabilities of all classes with the same coarse label.

    Args:
        probabilities: [N, K].
        coarse_indices: int64 [K], the coarse label of each class; every number from 0 to C - 1 occurs.

    Returns:
        float64 [N, C].
    """
    members = np.eye(int(coarse_indices.max()) + 1)[coarse_indices]
    return np.asarray(probabilities.astype(np.float64) @ members)


def coarse_accuracy(
    probabilities: FloatArray, targets: npt.NDArray[Any], coarse_indices: npt.NDArray[np.int64]
) -> float:
    """Fraction of the images whose most probable coarse label is that of their class.

    A Granny Smith that is predicted to be a Golden Delicious is still recognized as an apple.

    Args:
        probabilities: [N, K].
        targets: int64 [N].
        coarse_indices: As in `sum_coarse`.
    """
    predicted = sum_coarse(probabilities, coarse_indices).argmax(axis=1)
    return float(np.mean(predicted == coarse_indices[targets]))
