"""What a trained network said of some images, and what they are said to be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from service.bundle.spec import Task


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictions:
    """Images with their probabilities.

    names          of the images: their paths
    probabilities  float64 [N, K]
    targets        int64 [N], or for multilabel [N, K] of 0 and 1
    """

    names: Sequence[str]
    probabilities: npt.NDArray[np.float64]
    targets: npt.NDArray[Any]

    def right(self, *, task: Task, thresholds: Sequence[float]) -> npt.NDArray[np.bool_]:
        """Whether each image was given its label, or for multilabel exactly its labels: bool [N]."""
        if task == "classification":
            return np.asarray(self.probabilities.argmax(axis=1) == self.targets)
        given = self.probabilities >= np.asarray(thresholds)
        return np.asarray((given == (self.targets > 0)).all(axis=1))
