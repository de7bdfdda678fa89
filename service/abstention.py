"""Whether a model knows enough of an image to answer, and which labels it cannot exclude."""

from __future__ import annotations

import dataclasses

from service.bundle import ModelSpec
from service.bundle.spec import Task
from service.prediction import Abstained, Float32Array, Ranking
from service.tasks import TASKS


def without_abstention(chosen: ModelSpec) -> ModelSpec:
    """Return what spec.json says of a model file, without what makes it abstain. Sets stay."""
    return dataclasses.replace(chosen, ood=None, abstain=None)


def reason_to_abstain(
    probabilities: Float32Array, ood: float | None, *, task: Task, chosen: ModelSpec
) -> Abstained | None:
    """Return why a prediction is abstained; None if it is not.

    Args:
        probabilities: float32 [K], in class order.
        ood: How strange the image is; None if the model file does not say when that is too much.
        task: Of the model.
        chosen: What spec.json says of the model file.
    """
    if ood is not None and chosen.ood is not None and ood > chosen.ood.threshold:
        return "unknown"
    if chosen.abstain is None:
        return None
    certainty = float(TASKS[task].certainty(probabilities, chosen.thresholds))
    return "unsure" if certainty < chosen.abstain.threshold else None


def label_set(ranked: Ranking, chosen: ModelSpec) -> tuple[str, ...] | None:
    """Return the labels that are not excluded, most probable first; None if the model file has no sets.

    It is the least ambiguous set-valued classifier of a level (Sadinle, Lei and Wasserman 2019, arXiv:1609.00451) with
    the quantile of split conformal prediction (Angelopoulos and Bates 2021, arXiv:2107.07511).
    """
    if chosen.set is None:
        return None
    return tuple(label.label for label in ranked.at_least(1 - chosen.set.quantile))
