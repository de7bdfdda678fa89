"""When a model does not answer, and which sets of labels it gives: fitted on images, with what they promise."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from service.bundle import AbstainSpec, SetSpec
from service.bundle.spec import Task
from trainer.abstention.conformal import images_needed, label_sets, set_quantile
from trainer.abstention.cross_fitting import CrossFitted, cross_fit
from trainer.abstention.folds import each_fold, stratified_folds
from trainer.abstention.risk import RiskBound, bounded_threshold, why_none
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
    logits: FloatArray, targets: npt.NDArray[Any], options: LimitOptions, *, task: Task, independent: bool
) -> Limits:
    """Fit on these images when a model abstains, and its sets of labels.

    Temperature and thresholds of the classes are fitted on the same images, so no image is judged by what it chose: for
    each fifth of the images they are fitted on the other four. The bundle's own, fitted on all, differ little.

    Args:
        logits: [N, K], at temperature 1.
        targets: int64 [N] for classification, float32 [N, K] for multilabel.
        options: What is asked.
        task: Which of the two.
        independent: Whether these images chose nothing else: neither the epoch nor settings.
    """
    judged = cross_fit(logits, targets, task=task)
    abstain, report = None, {}
    if options.bound is not None:
        abstain, report["abstain"] = _abstain(judged, options.bound, independent=independent)
    found = None
    if options.set_level and task == "classification":
        found, report["set"] = _set(judged.probabilities, targets, options.set_level)
    return Limits(abstain=abstain, set=found, report=report)


def _abstain(judged: CrossFitted, bound: RiskBound, *, independent: bool) -> tuple[AbstainSpec | None, dict[str, Any]]:
    count = len(judged.certainty)
    found = bounded_threshold(judged.certainty, judged.correct, bound)
    if found is None:
        reason = why_none(judged.certainty, judged.correct, bound)
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
    probabilities: npt.NDArray[np.float64], targets: npt.NDArray[np.int64], level: float
) -> tuple[SetSpec | None, dict[str, Any]]:
    count = len(targets)
    right = probabilities[np.arange(count), targets]
    quantile = set_quantile(right, level=level)
    if quantile is None:
        needed = images_needed(level)
        reason = (
            f"sets that hold the right label in {100 * level:g} % of the images need {needed:,} images, "
            f"and there are {count:,}: {needed - count:,} more"
        )
        return None, {"level": level, "images": count, "reason": reason}
    spec = SetSpec(level=level, quantile=quantile, images=count)
    sets = label_sets(probabilities, _held_out_quantiles(right, targets, level))
    sizes = sets.sum(axis=1)
    return spec, {
        **asdict(spec),
        "coverage": float(sets[np.arange(count), targets].mean()),
        "mean_size": float(sizes.mean()),
        "single": float((sizes == 1).mean()),
        "empty": float((sizes == 0).mean()),
    }


def _held_out_quantiles(
    right: npt.NDArray[np.float64], targets: npt.NDArray[np.int64], level: float
) -> npt.NDArray[np.float64]:
    """The quantile of each image's fold, found on the others: [N, 1]; 1 if those are too few."""
    quantiles = np.ones((len(right), 1))
    for others, held_out in each_fold(stratified_folds(targets)):
        quantile = set_quantile(right[others], level=level)
        quantiles[held_out] = 1.0 if quantile is None else quantile
    return quantiles
