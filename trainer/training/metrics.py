"""Figures of merit from logits or probabilities and targets; arrays in, numbers out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import metrics

from service.bundle.spec import Task
from trainer.training.coarse import coarse_accuracy

FloatArray = npt.NDArray[np.floating[Any]]

# The figure by which the best epoch is chosen.
PRIMARY_METRIC: dict[Task, str] = {"classification": "accuracy", "multilabel": "mean_average_precision"}
_Z = 1.959963984540054  # 97.5 % point of the normal distribution


def activate(logits: FloatArray, task: Task) -> npt.NDArray[np.float64]:
    """Probabilities of logits: [N, K] -> float64 [N, K], softmax or sigmoid."""
    wide = logits.astype(np.float64)
    if task == "multilabel":
        return np.exp(-np.logaddexp(0, -wide))
    shifted = np.exp(wide - wide.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def measure(
    probabilities: FloatArray,
    targets: npt.NDArray[Any],
    *,
    task: Task,
    thresholds: Sequence[float] | None = None,
    coarse_indices: npt.NDArray[np.int64] | None = None,
) -> dict[str, float]:
    """Figures of a task.

    probabilities  [N, K]
    targets        int64 [N] for classification, float32 [N, K] for multilabel
    thresholds     multilabel: one a class, at and over which a label is given; 0.5 by default
    coarse_indices   classification: int64 [K], the number of each class's group; None or [0] where there are no groups

    classification: `accuracy` (top-1), `macro_f1` over the classes that the targets hold, `loss` (mean cross-entropy),
    and where there are groups `coarse_accuracy`.
    multilabel: `micro_f1`, `macro_f1` and `mean_average_precision` over the classes that the targets hold, `loss`
    (mean binary cross-entropy over images and classes).
    """
    clipped = np.clip(probabilities.astype(np.float64), 1e-12, 1 - 1e-12)
    if task == "classification":
        predicted = probabilities.argmax(axis=1)
        present = np.unique(targets)
        figures = {
            "accuracy": float(np.mean(predicted == targets)),
            "macro_f1": float(metrics.f1_score(targets, predicted, labels=present, average="macro", zero_division=0)),
            "loss": float(-np.log(clipped[np.arange(len(targets)), targets]).mean()),
        }
        if coarse_indices is not None and len(coarse_indices):
            figures["coarse_accuracy"] = coarse_accuracy(probabilities, targets, coarse_indices)
        return figures
    limits = np.full(probabilities.shape[1], 0.5) if thresholds is None else np.asarray(thresholds)
    given = probabilities >= limits
    wanted = targets > 0
    present = np.flatnonzero(wanted.any(axis=0))
    labels = [np.pad(each, ((0, 0), (0, 1))) for each in (wanted, given)]  # one column alone is taken for two classes
    f1 = {
        f"{average}_f1": float(
            metrics.f1_score(*labels, labels=present, average=average, zero_division=0) if len(present) else 0.0
        )
        for average in ("micro", "macro")
    }
    precision = [metrics.average_precision_score(wanted[:, k], probabilities[:, k]) for k in present]
    return {
        **f1,
        "mean_average_precision": float(np.mean(precision)) if precision else 0.0,
        "loss": float(-np.where(wanted, np.log(clipped), np.log(1 - clipped)).mean()),
    }


def wilson_interval(share: float, count: int) -> tuple[float, float]:
    """95 % confidence interval of a share seen in `count` trials (Wilson 1927, JASA 22)."""
    centre = share + _Z**2 / (2 * count)
    reach = _Z * np.sqrt(share * (1 - share) / count + _Z**2 / (4 * count**2))
    scale = 1 + _Z**2 / count
    return max(0.0, float((centre - reach) / scale)), min(1.0, float((centre + reach) / scale))
