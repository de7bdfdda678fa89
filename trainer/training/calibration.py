"""From logits to answers: a temperature, and for several labels an image thresholds, chosen on validation images."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from service.bundle.spec import Task
from trainer.training.metrics import FloatArray, activate

_LEAST, _MOST = 0.1, 10.0


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What a bundle does to logits before it answers.

    temperature  the logits are divided by it
    thresholds   multilabel: one a class, at and over which a label is given; classification: one of 0, never abstain
    """

    task: Task
    temperature: float
    thresholds: tuple[float, ...]

    def activate(self, logits: FloatArray) -> npt.NDArray[np.float64]:
        """Probabilities of logits: [N, K] -> float64 [N, K]."""
        return activate(logits / self.temperature, self.task)


def calibrate(logits: FloatArray, targets: npt.NDArray[Any], *, task: Task) -> Calibration:
    """Choose both on these images.

    logits   [N, K], N at least 1
    targets  int64 [N] for classification, float32 [N, K] for multilabel
    """
    temperature = best_temperature(logits, targets, task=task)
    thresholds = (0.0,)
    if task == "multilabel":
        thresholds = tuple(best_thresholds(activate(logits / temperature, task), targets).tolist())
    return Calibration(task=task, temperature=temperature, thresholds=thresholds)


def best_temperature(logits: FloatArray, targets: npt.NDArray[Any], *, task: Task) -> float:
    """The temperature that makes the probabilities of these images most likely, from 0.1 to 10; 1 where all are alike.

    One number for all classes (Guo et al. 2017, "On Calibration of Modern Neural Networks", arXiv:1706.04599): of
    classification it changes no answer, only how sure it is. Where few images are all answered right, any lower
    temperature would look better still; so none of n images counts as wholly of its class, but as (n + 1) / (n + 2) of
    it (Platt 1999, "Probabilistic Outputs for Support Vector Machines"), the rest shared by the other classes.
    """
    wide = logits.astype(np.float64)
    wanted = np.sum(_softened(targets, wide.shape, task=task) * wide)

    def loss(log_temperature: float) -> float:
        """Cross-entropy of all images together."""
        scale = math.exp(-log_temperature)
        normalizers = np.logaddexp(0, scale * wide) if task == "multilabel" else special.logsumexp(scale * wide, axis=1)
        return float(normalizers.sum() - scale * wanted)

    bounds = (math.log(_LEAST), math.log(_MOST))
    found = optimize.minimize_scalar(loss, bounds=bounds, method="bounded")
    if not found.fun < loss(0.0):
        return 1.0
    # No more digits than logits of another device would give as well.
    return float(f"{math.exp(found.x):.3g}")


def _softened(targets: npt.NDArray[Any], shape: tuple[int, ...], *, task: Task) -> npt.NDArray[np.float64]:
    """How much of each class each image counts as: float64 [N, K]."""
    count, classes = shape
    if task == "multilabel":
        positive = targets > 0
        ones, zeros = positive.sum(), (~positive).sum()
        return np.asarray(np.where(positive, (ones + 1) / (ones + 2), 1 / (zeros + 2)))
    share = (count + 1) / (count + 2) if classes > 1 else 1.0
    wanted = np.full(shape, (1 - share) / max(1, classes - 1))
    wanted[np.arange(count), targets] = share
    return wanted


def best_thresholds(probabilities: FloatArray, targets: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """A threshold a class that gives the best F1 on these images: [N, K], [N, K] -> float64 [K].

    Each lies halfway between two neighbouring probabilities, so that a difference in the last digits flips nothing;
    among equally good ones the nearest to 0.5 is taken. A class without a positive image keeps 0.5.
    """
    result = np.full(probabilities.shape[1], 0.5)
    for k in np.flatnonzero((targets > 0).any(axis=0)):
        order = np.argsort(-probabilities[:, k], kind="stable")
        values = probabilities[order, k].astype(np.float64)
        hits = np.cumsum(targets[order, k] > 0)
        f1 = 2 * hits / (np.arange(1, len(values) + 1) + hits[-1])
        below = np.append(values[1:], 0.0)
        possible = values > below  # a threshold cannot part equal probabilities
        possible[-1] = True
        best = possible & (f1 >= f1[possible].max() - 1e-12)
        midpoints = ((values + below) / 2)[best]
        result[k] = midpoints[np.abs(midpoints - 0.5).argmin()]
    return result
