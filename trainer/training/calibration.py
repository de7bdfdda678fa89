"""From logits to predictions: a temperature and, for multilabel, thresholds, fitted on validation images."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import optimize

from service.bundle.spec import Task
from trainer.training.metrics import activate
from trainer.training.tasks import TASKS
from trainer.training.tasks.numbers import FloatArray

_LOWEST_TEMPERATURE = 0.1
_HIGHEST_TEMPERATURE = 10.0


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What a bundle does with logits.

    Attributes:
        task: classification or multilabel.
        temperature: The logits are divided by it.
        thresholds: Multilabel: one for each class, a label is predicted from it on; classification: none.
    """

    task: Task
    temperature: float
    thresholds: tuple[float, ...]

    def activate(self, logits: FloatArray) -> npt.NDArray[np.float64]:
        """Convert logits to calibrated probabilities: [N, K] -> float64 [N, K]."""
        return activate(logits / self.temperature, self.task)


def calibrate(logits: FloatArray, targets: npt.NDArray[Any], *, task: Task) -> Calibration:
    """Fit temperature and thresholds on these images; without any, they are 1 and 0.5.

    Args:
        logits: [N, K].
        targets: int64 [N] for classification, float32 [N, K] for multilabel.
        task: Which of the two.
    """
    temperature = best_temperature(logits, targets, task=task)
    thresholds = TASKS[task].best_thresholds(activate(logits / temperature, task), targets)
    return Calibration(task=task, temperature=temperature, thresholds=thresholds)


def best_temperature(logits: FloatArray, targets: npt.NDArray[Any], *, task: Task) -> float:
    """Find the temperature from 0.1 to 10 with the lowest loss on these images; 1 if it makes no difference.

    One number for all classes (Guo et al. 2017, "On Calibration of Modern Neural Networks", arXiv:1706.04599): in
    classification it changes no prediction, only its probability. If few images are all predicted right, any lower
    temperature would look better still. So an image counts with (n + 1) / (n + 2) for its class, of n images, and the
    rest is divided among the other classes (Platt 1999, "Probabilistic Outputs for Support Vector Machines").
    """
    wide = logits.astype(np.float64)
    target_sum = np.sum(TASKS[task].softened(targets, wide.shape[1]) * wide)

    def loss(log_temperature: float) -> float:
        """Cross-entropy of all images together."""
        scale = math.exp(-log_temperature)
        return float(TASKS[task].log_normalizers(scale * wide).sum() - scale * target_sum)

    bounds = (math.log(_LOWEST_TEMPERATURE), math.log(_HIGHEST_TEMPERATURE))
    found = optimize.minimize_scalar(loss, bounds=bounds, method="bounded")
    if not found.fun < loss(0.0):
        return 1.0
    # No more digits than the logits of another device would give too.
    return float(f"{math.exp(found.x):.3g}")
