"""Sets of labels that hold the right one with a probability: split conformal prediction.

Least ambiguous sets, LAC (Sadinle, Lei and Wasserman 2019, "Least Ambiguous Set-Valued Classifiers With Bounded Error
Levels", arXiv:1609.00451), with the correction for a finite number of images (Angelopoulos and Bates 2021, "A Gentle
Introduction to Conformal Prediction", arXiv:2107.07511).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]
# A label at the very quantile is in the set, on every machine.
_MARGIN = 1e-6


def images_needed(level: float) -> int:
    """Smallest number of images with which a set of this level is more than all labels: n + 1 >= 1 / (1 - level)."""
    return math.ceil(1 / (1 - level) - 1 - 1e-9)


def set_quantile(probabilities: FloatArray, *, level: float) -> float | None:
    """Find the quantile with which sets hold the right label with a probability of at least `level`.

    Args:
        probabilities: [N], of the right label of each image; none of them chose anything else.
        level: Above 0 and below 1.

    Returns:
        A set is every label with a probability of at least 1 - the quantile; None with fewer images than are needed.
    """
    count = len(probabilities)
    if count < images_needed(level):
        return None
    rank = min(count, math.ceil((count + 1) * level - 1e-9))
    score = np.sort(1 - probabilities.astype(np.float64))[rank - 1]
    return float(min(1.0, score + _MARGIN))


def label_sets(probabilities: FloatArray, quantile: float) -> npt.NDArray[np.bool_]:
    """Return which labels are in the set of each image.

    Args:
        probabilities: [N, K].
        quantile: From `set_quantile`.

    Returns:
        bool [N, K].
    """
    return np.asarray(probabilities >= 1 - quantile)
