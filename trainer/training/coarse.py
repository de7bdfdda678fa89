"""Groups of classes: a Granny Smith that was taken for a Golden Delicious was still taken for an apple."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]


def sum_coarse(probabilities: FloatArray, coarse_indices: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Probabilities of the groups: of each the sum over its classes; [N, K] -> float64 [N, G].

    coarse_indices  int64 [K], the number of each class's group; every number from 0 to G - 1 occurs
    """
    members = np.eye(int(coarse_indices.max()) + 1)[coarse_indices]
    return np.asarray(probabilities.astype(np.float64) @ members)


def coarse_accuracy(
    probabilities: FloatArray, targets: npt.NDArray[Any], coarse_indices: npt.NDArray[np.int64]
) -> float:
    """Share of the images whose most probable group is that of their class.

    probabilities  [N, K]
    targets        int64 [N]
    coarse_indices   as `sum_coarse` takes it
    """
    found = sum_coarse(probabilities, coarse_indices).argmax(axis=1)
    return float(np.mean(found == coarse_indices[targets]))
