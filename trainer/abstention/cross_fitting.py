"""What a model says of images, each calibrated by what was fitted on others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from service.bundle.spec import Task
from service.tasks import TASKS as SERVED
from trainer.abstention.folds import each_fold, stratified_folds
from trainer.training.calibration import calibrate
from trainer.training.tasks import TASKS
from trainer.training.tasks.numbers import FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class CrossFitted:
    """N images, each judged by a temperature and thresholds that have not seen it.

    Attributes:
        probabilities: float64 [N, K].
        certainty: float64 [N], as the service computes it.
        correct: bool [N], whether the answer is right.
    """

    probabilities: npt.NDArray[np.float64]
    certainty: npt.NDArray[np.float64]
    correct: npt.NDArray[np.bool_]


def cross_fit(logits: FloatArray, targets: npt.NDArray[Any], *, task: Task) -> CrossFitted:
    """Fit temperature and thresholds on four fifths of the images, and use them on the others, five times.

    Those of a bundle are fitted on all images, and differ little.

    Args:
        logits: [N, K], at temperature 1.
        targets: int64 [N] for classification, float32 [N, K] for multilabel.
        task: Which of the two.
    """
    probabilities = np.empty(logits.shape, dtype=np.float64)
    certainty = np.empty(len(targets), dtype=np.float64)
    correct = np.empty(len(targets), dtype=np.bool_)
    for others, held_out in each_fold(stratified_folds(targets)):
        fitted = calibrate(logits[others], targets[others], task=task)
        probabilities[held_out] = part = fitted.activate(logits[held_out])
        certainty[held_out] = SERVED[task].certainty(part, fitted.thresholds)
        correct[held_out] = TASKS[task].correct(part, targets[held_out], fitted.thresholds)
    return CrossFitted(probabilities=probabilities, certainty=certainty, correct=correct)
