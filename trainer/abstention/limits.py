"""When a model does not answer, and which sets of labels it gives: fitted on images, with what they promise."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from service.bundle import AbstainSpec, SetSpec
from service.tasks import TASKS as SERVED
from trainer.abstention.conformal import images_needed, label_sets, set_quantile
from trainer.abstention.cross_fitting import cross_fit
from trainer.abstention.folds import each_fold, stratified_folds
from trainer.abstention.risk import BoolArray, RiskBound, bounded_threshold, why_none
from trainer.training.calibration import Calibration
from trainer.training.tasks import TASKS
from trainer.training.tasks.numbers import FloatArray


@dataclass(frozen=True, kw_only=True)
class LimitOptions:
    """What is asked of a model.

    Attributes:
        bound: Of the errors of the images that it answers; None: it answers all.
        set_level: How often a set must hold the right label; 0: no sets.
    """

    bound: RiskBound | None
    set_level: float


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What was found.

    Attributes:
        abstain: From which certainty on it answers; None if nothing was asked, or no threshold keeps the bound.
        set: Which labels are in a set; None if there are none.
        report: What metrics.json says of both: `abstain` and `set`, each with `reason` if it was asked for and is not
            there.
    """

    abstain: AbstainSpec | None = None
    set: SetSpec | None = None
    report: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def refused(self) -> dict[str, str]:
        """`abstain`, `set` -> why it is not there, although it was asked for."""
        return {name: found["reason"] for name, found in self.report.items() if "reason" in found}


def fit_limits(
    logits: FloatArray,
    targets: npt.NDArray[Any],
    options: LimitOptions,
    *,
    calibration: Calibration,
    independent: bool,
) -> Limits:
    """Fit on these images when a model abstains, and its sets of labels.

    What decides whether an answer is right must not have been fitted on the image. In classification nothing does: the
    temperature, one number, changes no prediction, so the certainty is that of the model itself. With several labels
    for an image the thresholds of the classes do: for each fifth of the images they are fitted on the other four.

    Args:
        logits: [N, K], at temperature 1.
        targets: int64 [N] for classification, float32 [N, K] for multilabel.
        options: What is asked.
        calibration: Of the model, fitted on these images.
        independent: Whether these images chose nothing else: neither the epoch nor settings.
    """
    task = calibration.task
    abstain, report = None, {}
    if options.bound is not None:
        certainty, correct = _answers(logits, targets, calibration)
        abstain, report["abstain"] = _abstain(certainty, correct, options.bound, independent=independent)
    found = None
    if options.set_level and task == "classification" and len(targets):  # nobody asks for sets without images
        found, report["set"] = _set(logits, targets, calibration, options.set_level)
    return Limits(abstain=abstain, set=found, report=report)


def _answers(
    logits: FloatArray, targets: npt.NDArray[Any], calibration: Calibration
) -> tuple[npt.NDArray[np.float64], BoolArray]:
    """How certain each answer is, float64 [N], and whether it is right, bool [N]."""
    task, thresholds = calibration.task, calibration.thresholds
    if task == "multilabel":
        fitted = cross_fit(logits, targets, task=task)
        return fitted.certainty, fitted.correct
    probabilities = calibration.activate(logits)
    certainty = np.asarray(SERVED[task].certainty(probabilities, thresholds), dtype=np.float64)
    return certainty, TASKS[task].correct(probabilities, targets, thresholds)


def _abstain(
    certainty: npt.NDArray[np.float64], correct: BoolArray, bound: RiskBound, *, independent: bool
) -> tuple[AbstainSpec | None, dict[str, Any]]:
    count = len(certainty)
    found = bounded_threshold(certainty, correct, bound)
    if found is None:
        reason = why_none(certainty, correct, bound)
        return None, {**asdict(bound), "images": count, "independent": independent, "reason": reason}
    spec = AbstainSpec(
        threshold=found.threshold,
        max_error=bound.max_error,
        confidence=bound.confidence,
        coverage=found.answered / count,
        images=count,
        independent=independent,
    )
    return spec, {**asdict(spec), "answered": found.answered, "errors": found.errors}


def _set(
    logits: FloatArray, targets: npt.NDArray[np.int64], calibration: Calibration, level: float
) -> tuple[SetSpec | None, dict[str, Any]]:
    count = len(targets)
    right = calibration.activate(logits)[np.arange(count), targets]
    quantile = set_quantile(right, level=level)
    if quantile is None:
        needed = images_needed(level)
        reason = (
            f"sets that hold the right label in {100 * level:g} % of the images need {needed:,} images, "
            f"and there are {count:,}: {needed - count:,} more"
        )
        return None, {"level": level, "images": count, "reason": reason}
    spec = SetSpec(level=level, quantile=quantile, images=count)
    sets = _held_out_sets(cross_fit(logits, targets, task=calibration.task).probabilities, targets, level)
    sizes = sets.sum(axis=1)
    return spec, {
        **asdict(spec),
        "coverage": float(sets[np.arange(count), targets].mean()),
        "mean_size": float(sizes.mean()),
        "single": float((sizes == 1).mean()),
        "empty": float((sizes == 0).mean()),
    }


def _held_out_sets(probabilities: npt.NDArray[np.float64], targets: npt.NDArray[np.int64], level: float) -> BoolArray:
    """The set of each image with a quantile that was found on the other folds: bool [N, K]."""
    sets = np.ones(probabilities.shape, dtype=np.bool_)  # all labels, if the others are too few
    right = probabilities[np.arange(len(targets)), targets]
    for others, held_out in each_fold(stratified_folds(targets)):
        quantile = set_quantile(right[others], level=level)
        if quantile is not None:
            sets[held_out] = label_sets(probabilities[held_out], quantile)
    return sets
