"""Metrics from logits or probabilities and targets: arrays in, numbers out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import metrics as sklearn_metrics

from service.bundle.spec import Task

FloatArray = npt.NDArray[np.floating[Any]]

# The metric that decides which epoch is the best.
PRIMARY_METRIC: dict[Task, str] = {"classification": "accuracy", "multilabel": "mean_average_precision"}
_SMALLEST_PROBABILITY = 1e-12
_NORMAL_97_5 = 1.959963984540054  # 97.5 % point of the normal distribution


def activate(logits: FloatArray, task: Task) -> npt.NDArray[np.float64]:
    """Convert logits to probabilities, by softmax or sigmoid: [N, K] -> float64 [N, K]."""
    wide = logits.astype(np.float64)
    if task == "multilabel":
        return np.exp(-np.logaddexp(0, -wide))
    shifted = np.exp(wide - wide.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def compute_metrics(
    probabilities: FloatArray,
    targets: npt.NDArray[Any],
    *,
    task: Task,
    thresholds: Sequence[float] | None = None,
    coarse_indices: npt.NDArray[np.int64] | None = None,
) -> dict[str, float]:
    """Compute the metrics of a task.

    Args:
        probabilities: [N, K].
        targets: int64 [N] for classification, float32 [N, K] for multilabel.
        task: Which of the two.
        thresholds: Multilabel: one for each class; a label is predicted from its threshold on. Default: 0.5.
        coarse_indices: Classification: int64 [K], the coarse label of each class; None or [0] if there are none.

    Returns:
        For classification `accuracy` (top-1), `macro_f1` over the classes that occur in the targets, `loss` (mean
        cross-entropy), and `coarse_accuracy` if there are coarse labels. For multilabel `micro_f1`, `macro_f1` and
        `mean_average_precision` over the classes that occur in the targets, and `loss` (mean binary cross-entropy over
        images and classes).
    """
    if task == "classification":
        return _classification_metrics(probabilities, targets, coarse_indices)
    return _multilabel_metrics(probabilities, targets > 0, thresholds)


def _classification_metrics(
    probabilities: FloatArray, targets: npt.NDArray[Any], coarse_indices: npt.NDArray[np.int64] | None
) -> dict[str, float]:
    predicted = probabilities.argmax(axis=1)
    present = np.unique(targets)
    f1 = sklearn_metrics.f1_score(targets, predicted, labels=present, average="macro", zero_division=0)
    metrics = {
        "accuracy": float(np.mean(predicted == targets)),
        "macro_f1": float(f1),
        "loss": float(-np.log(_clipped(probabilities)[np.arange(len(targets)), targets]).mean()),
    }
    if coarse_indices is not None and len(coarse_indices):
        metrics["coarse_accuracy"] = coarse_accuracy(probabilities, targets, coarse_indices)
    return metrics


def _multilabel_metrics(
    probabilities: FloatArray, targets: npt.NDArray[np.bool_], thresholds: Sequence[float] | None
) -> dict[str, float]:
    limits = np.full(probabilities.shape[1], 0.5) if thresholds is None else np.asarray(thresholds)
    predicted = probabilities >= limits
    present = np.flatnonzero(targets.any(axis=0))
    # A single column would be taken for two classes.
    padded = [np.pad(labels, ((0, 0), (0, 1))) for labels in (targets, predicted)]
    f1 = {
        f"{average}_f1": float(
            sklearn_metrics.f1_score(*padded, labels=present, average=average, zero_division=0) if len(present) else 0.0
        )
        for average in ("micro", "macro")
    }
    precision = [sklearn_metrics.average_precision_score(targets[:, k], probabilities[:, k]) for k in present]
    clipped = _clipped(probabilities)
    return {
        **f1,
        "mean_average_precision": float(np.mean(precision)) if precision else 0.0,
        "loss": float(-np.where(targets, np.log(clipped), np.log(1 - clipped)).mean()),
    }


def _clipped(probabilities: FloatArray) -> npt.NDArray[np.float64]:
    return np.clip(probabilities.astype(np.float64), _SMALLEST_PROBABILITY, 1 - _SMALLEST_PROBABILITY)


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


def wilson_interval(fraction: float, count: int) -> tuple[float, float]:
    """95 % confidence interval of a fraction that was seen in `count` trials (Wilson 1927, JASA 22)."""
    z = _NORMAL_97_5
    centre = fraction + z**2 / (2 * count)
    reach = z * np.sqrt(fraction * (1 - fraction) / count + z**2 / (4 * count**2))
    scale = 1 + z**2 / count
    return max(0.0, float((centre - reach) / scale)), min(1.0, float((centre + reach) / scale))
