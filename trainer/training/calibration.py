"""From logits to predictions: a temperature and, for multilabel, thresholds, fitted on validation images."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from service.bundle.spec import Task
from trainer.training.metrics import FloatArray, activate

_LOWEST_TEMPERATURE = 0.1
_HIGHEST_TEMPERATURE = 10.0


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What a bundle does with logits.

    Attributes:
        task: classification or multilabel.
        temperature: The logits are divided by it.
        thresholds: Multilabel: one for each class, a label is predicted from it on; classification: a single 0.
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
    thresholds = (0.0,)
    if task == "multilabel":
        thresholds = tuple(best_thresholds(activate(logits / temperature, task), targets).tolist())
    return Calibration(task=task, temperature=temperature, thresholds=thresholds)


def best_temperature(logits: FloatArray, targets: npt.NDArray[Any], *, task: Task) -> float:
    """Find the temperature from 0.1 to 10 with the lowest loss on these images; 1 if it makes no difference.

    One number for all classes (Guo et al. 2017, "On Calibration of Modern Neural Networks", arXiv:1706.04599): in
    classification it changes no prediction, only its probability. If few images are all predicted right, any lower
    temperature would look better still. So an image counts with (n + 1) / (n + 2) for its class, of n images, and the
    rest is divided among the other classes (Platt 1999, "Probabilistic Outputs for Support Vector Machines").
    """
    wide = logits.astype(np.float64)
    target_sum = np.sum(_softened(targets, wide.shape, task=task) * wide)

    def loss(log_temperature: float) -> float:
        """Cross-entropy of all images together."""
        scale = math.exp(-log_temperature)
        normalizers = np.logaddexp(0, scale * wide) if task == "multilabel" else special.logsumexp(scale * wide, axis=1)
        return float(normalizers.sum() - scale * target_sum)

    bounds = (math.log(_LOWEST_TEMPERATURE), math.log(_HIGHEST_TEMPERATURE))
    found = optimize.minimize_scalar(loss, bounds=bounds, method="bounded")
    if not found.fun < loss(0.0):
        return 1.0
    # No more digits than the logits of another device would give too.
    return float(f"{math.exp(found.x):.3g}")


def _softened(targets: npt.NDArray[Any], shape: tuple[int, ...], *, task: Task) -> npt.NDArray[np.float64]:
    """How much each image counts as each class: float64 [N, K]."""
    count, classes = shape
    if task == "multilabel":
        positive = targets > 0
        ones, zeros = positive.sum(), (~positive).sum()
        return np.asarray(np.where(positive, (ones + 1) / (ones + 2), 1 / (zeros + 2)))
    own = (count + 1) / (count + 2) if classes > 1 else 1.0
    softened = np.full(shape, (1 - own) / max(1, classes - 1))
    softened[np.arange(count), targets] = own
    return softened


def best_thresholds(probabilities: FloatArray, targets: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Find the threshold of each class with the best F1 on these images: [N, K], [N, K] -> float64 [K].

    Each lies halfway between two neighbouring probabilities, so that a difference in the last digits changes nothing.
    Of equally good ones the nearest to 0.5 is chosen. A class without a positive image gets 0.5.
    """
    result = np.full(probabilities.shape[1], 0.5)
    for k in np.flatnonzero((targets > 0).any(axis=0)):
        order = np.argsort(-probabilities[:, k], kind="stable")
        values = probabilities[order, k].astype(np.float64)
        hits = np.cumsum(targets[order, k] > 0)
        f1 = 2 * hits / (np.arange(1, len(values) + 1) + hits[-1])
        below = np.append(values[1:], 0.0)
        possible = values > below  # a threshold cannot separate equal probabilities
        possible[-1] = True
        best = possible & (f1 >= f1[possible].max() - 1e-12)
        midpoints = ((values + below) / 2)[best]
        result[k] = midpoints[np.abs(midpoints - 0.5).argmin()]
    return result
