"""What metrics.json says about the probabilities of a model file, and an evaluation about those of a bundle."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from service.bundle.spec import Task
from trainer.abstention.calibration_error import (
    Claims,
    Perfect,
    adaptive_calibration_error,
    calibration_error,
    calibration_interval,
    claims_of,
    perfect_calibration,
    reliability_bins,
)
from trainer.abstention.coverage import error_by_coverage
from trainer.abstention.cross_fitting import cross_fit
from trainer.training.metrics import activate
from trainer.training.tasks import TASKS
from trainer.training.tasks.numbers import FloatArray

FEWEST_IMAGES = 20
_DIGITS = 6


def calibration_of(logits: FloatArray, targets: npt.NDArray[Any], *, task: Task) -> dict[str, Any] | None:
    """Measure how far the probabilities of a model can be trusted.

    No image is judged by a temperature that has seen it.

    Args:
        logits: [N, K], at temperature 1.
        targets: int64 [N] for classification, float32 [N, K] for multilabel.
        task: Which of the two.

    Returns:
        `calibration` of a model file in metrics.json; None with fewer than 20 images.
    """
    if len(targets) < FEWEST_IMAGES:
        return None
    before = activate(logits, task)
    fitted = cross_fit(logits, targets, task=task)
    claims = claims_of(fitted.probabilities, targets, task=task)
    measured_before, _ = _measured(before, claims_of(before, targets, task=task), targets, task=task)
    measured_after, perfect = _measured(fitted.probabilities, claims, targets, task=task)
    found: dict[str, Any] = {
        "images": len(targets),
        "cross_fitted": True,
        "before": measured_before,
        "after": measured_after,
        "perfect_ece": asdict(perfect),
        "bins": [asdict(part) for part in reliability_bins(claims)],
        "coverage": asdict(error_by_coverage(fitted.certainty, fitted.correct)),
    }
    return _rounded(found)


def calibration_of_bundle(probabilities: FloatArray, targets: npt.NDArray[Any], *, task: Task) -> dict[str, Any] | None:
    """Measure how far the probabilities of a bundle can be trusted, on images that chose nothing.

    Args:
        probabilities: [N, K], as the bundle gives them.
        targets: int64 [N] for classification, float32 [N, K] for multilabel.
        task: Which of the two.

    Returns:
        `ece`, `ece_interval`, `adaptive_ece`, `loss`, `brier` and `perfect_ece`; None with fewer than 20 images.
    """
    if len(targets) < FEWEST_IMAGES:
        return None
    claims = claims_of(probabilities.astype(np.float64), targets, task=task)
    measures, perfect = _measured(probabilities, claims, targets, task=task)
    return _rounded({**measures, "perfect_ece": asdict(perfect)})


def _measured(
    probabilities: FloatArray, claims: Claims, targets: npt.NDArray[Any], *, task: Task
) -> tuple[dict[str, Any], Perfect]:
    """What is measured of the probabilities, and what perfect calibration would show."""
    perfect = perfect_calibration(claims)
    measures = {
        "ece": calibration_error(claims),
        "ece_interval": calibration_interval(claims, perfect),
        "adaptive_ece": adaptive_calibration_error(claims),
        "loss": float(TASKS[task].losses(probabilities, targets).mean()),
        "brier": float(TASKS[task].brier_scores(probabilities, targets).mean()),
    }
    return measures, perfect


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    """The values with all numbers in them rounded, and lists in place of tuples, as JSON has them."""

    def rounded(value: Any) -> Any:
        if isinstance(value, dict):
            return _rounded(value)
        if isinstance(value, list | tuple):
            return [rounded(item) for item in value]
        return round(value, _DIGITS) if isinstance(value, float) else value

    return {key: rounded(value) for key, value in values.items()}
