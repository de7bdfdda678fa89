"""Metrics from logits or probabilities and targets: arrays in, numbers out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from service.bundle.spec import Task
from trainer.training.tasks import TASKS
from trainer.training.tasks.numbers import FloatArray

# The metric that decides which epoch is the best.
PRIMARY_METRIC: dict[Task, str] = {name: task.primary_metric for name, task in TASKS.items()}
_NORMAL_97_5 = 1.959963984540054  # 97.5 % point of the normal distribution


def activate(logits: FloatArray, task: Task) -> npt.NDArray[np.float64]:
    """Convert logits to probabilities, by softmax or sigmoid: [N, K] -> float64 [N, K]."""
    return TASKS[task].activate(logits.astype(np.float64))


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
    return TASKS[task].metrics(probabilities, targets, thresholds, coarse_indices)


def wilson_interval(fraction: float, count: int) -> tuple[float, float]:
    """95 % confidence interval of a fraction that was seen in `count` trials (Wilson 1927, JASA 22)."""
    z = _NORMAL_97_5
    centre = fraction + z**2 / (2 * count)
    reach = z * np.sqrt(fraction * (1 - fraction) / count + z**2 / (4 * count**2))
    scale = 1 + z**2 / count
    return max(0.0, float((centre - reach) / scale)), min(1.0, float((centre + reach) / scale))


def paired_loss_interval(before: npt.NDArray[np.bool_], after: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """95 % confidence interval of the accuracy that is lost from one model to another on the same images.

    Half an image is added to each of the four cells of the table (Agresti and Min 2005, "Simple improved confidence
    intervals for comparing matched proportions", Statistics in Medicine 24), so that few images never look certain.

    Args:
        before: bool [N], whether the one model predicts each image correctly.
        after: bool [N], the same of the other.
    """
    lost, won = np.count_nonzero(before & ~after) + 0.5, np.count_nonzero(after & ~before) + 0.5
    count = len(before) + 2
    loss = (lost - won) / count
    reach = _NORMAL_97_5 * np.sqrt(lost + won - (lost - won) ** 2 / count) / count
    return float(loss - reach), float(loss + reach)
