"""Groups of classes: a Granny Smith that was taken for a Golden Delicious was still taken for an apple."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]


def sum_groups(probabilities: FloatArray, class_groups: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Probabilities of the groups: of each the sum over its classes; [N, K] -> float64 [N, G].

    class_groups  int64 [K], the number of each class's group; every number from 0 to G - 1 occurs
    """
    members = np.eye(int(class_groups.max()) + 1)[class_groups]
    return np.asarray(probabilities.astype(np.float64) @ members)


def group_accuracy(probabilities: FloatArray, targets: npt.NDArray[Any], class_groups: npt.NDArray[np.int64]) -> float:
    """Share of the images whose most probable group is that of their class.

    probabilities  [N, K]
    targets        int64 [N]
    class_groups   as `sum_groups` takes it
    """
    found = sum_groups(probabilities, class_groups).argmax(axis=1)
    return float(np.mean(found == class_groups[targets]))
