"""What is fitted for each model file on the images to calibrate on: temperature, thresholds, abstention, sets."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from trainer.abstention.limits import LimitOptions, fit_limits
from trainer.abstention.reliability import calibration_of
from trainer.abstention.risk import RiskBound
from trainer.export.draft import ModelDraft, draft_predictor, predict_images, spec_of
from trainer.export.exportable import CalibrationSet, Exportable
from trainer.export.int8_choice import with_temperature
from trainer.export.metrics import measure_file
from trainer.export.strangers import StrangerScore
from trainer.model import Classifier
from trainer.progress import Progress
from trainer.recipe import AbstentionRecipe
from trainer.training.calibration import calibrate
from trainer.training.evaluate import predict_logits
from trainer.training.tasks import TASKS
from trainer.training.tasks.numbers import FloatArray

_OPTIMISTIC = " (optimistic: these images chose the epoch, too)"


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedFile:
    """A model file with its calibration, and what it says of the images.

    Attributes:
        draft: The file.
        logits: [M, K], at temperature 1, of the images to calibrate on.
        probabilities: float32 [N, K], calibrated, of the validation images.
    """

    draft: ModelDraft
    logits: FloatArray
    probabilities: npt.NDArray[np.float32]


def network_logits(classifier: Classifier, images: CalibrationSet) -> FloatArray:
    """What the network says of the images to calibrate on, on the CPU: [M, K]."""
    if not len(images.images):
        return np.empty((0, classifier.head.out_features), dtype=np.float32)
    return predict_logits(classifier, images.images, device=torch.device("cpu"))


def fit_int8(
    draft: ModelDraft, probabilities: npt.NDArray[np.float32], trained: Exportable, *, file: str, threads: int
) -> FittedFile:
    """Give a quantized file a calibration of its own on the images to calibrate on.

    Args:
        draft: As it was judged: calibrated on the validation images.
        probabilities: What it gives for these, float32 [N, K].
        trained: Says which images are to calibrate on.
        file: Its name.
        threads: Number of images that are predicted at the same time.
    """
    task, before, images = TASKS[trained.catalog.task], draft.calibration, trained.calibration_set
    valid_logits = task.logits_of(probabilities) * before.temperature
    if trained.own_calibration_set is None:  # the file is calibrated on them already
        return FittedFile(draft=draft, logits=valid_logits, probabilities=probabilities)
    predictor = draft_predictor(spec_of(trained, {file: draft}), draft, model_file=file)
    logits = task.logits_of(predict_images(predictor, images.images, threads=threads)) * before.temperature
    calibration = calibrate(logits, images.targets, task=before.task)
    data = with_temperature(draft.data, calibration.temperature / before.temperature)
    return FittedFile(
        draft=dataclasses.replace(draft, data=data, calibration=calibration),
        logits=logits,
        probabilities=calibration.activate(valid_logits).astype(np.float32),
    )


def fit_abstention(fitted: FittedFile, trained: Exportable) -> ModelDraft:
    """Return the file with its limits: when it does not answer, and its sets."""
    images = trained.calibration_set
    limits = fit_limits(
        fitted.logits,
        images.targets,
        limit_options(trained.recipe.abstention),
        calibration=fitted.draft.calibration,
        independent=images.independent,
    )
    return dataclasses.replace(fitted.draft, limits=limits)


def measure(fitted: FittedFile, strangers: StrangerScore, trained: Exportable) -> dict[str, Any]:
    """What metrics.json says of a model file, but for its parity.

    Args:
        fitted: What it says of the images.
        strangers: The file with its limits, and what it says of strange images.
        trained: The images.
    """
    catalog, images, draft = trained.catalog, trained.calibration_set, strangers.draft
    found = {**draft.limits.report, "ood": strangers.report}
    reliability = calibration_of(fitted.logits, images.targets, task=catalog.task)
    if reliability is not None:
        curve = reliability["coverage"]
        if len(strangers.certainty):
            curve["strange"] = [float((strangers.certainty >= least).mean()) for least in curve["certainty"]]
        found["calibration"] = reliability | {"independent": images.independent}
    if len(fitted.probabilities):
        targets, coarse_indices = catalog.targets(catalog.split("valid")), catalog.coarse_indices
        found |= measure_file(fitted.probabilities, targets, draft.calibration, coarse_indices=coarse_indices)
    return found


def limit_options(recipe: AbstentionRecipe) -> LimitOptions:
    """What a recipe asks for."""
    bound = RiskBound(max_error=recipe.max_error, confidence=recipe.confidence) if recipe.max_error else None
    return LimitOptions(bound=bound, set_level=recipe.set_level)


def report_limits(name: str, draft: ModelDraft, progress: Progress) -> None:
    """Show when a model file does not answer, and what was asked for and cannot be promised."""
    for line in _lines(draft):
        progress.info(f"{name}: {line}")


def _lines(draft: ModelDraft) -> Iterator[str]:
    abstain, refused = draft.limits.abstain, draft.limits.refused
    if abstain is not None:
        yield (
            f"answers {100 * abstain.coverage:.1f} % of {abstain.images:,} images, those with a certainty of at least "
            f"{abstain.threshold:.4g}: at most {100 * abstain.max_error:g} % of the answers are wrong, with "
            f"{100 * abstain.confidence:g} % confidence" + ("" if abstain.independent else _OPTIMISTIC)
        )
    if "abstain" in refused:
        yield f"answers always, since no threshold keeps the bound: {refused['abstain']}"
    if "set" in refused:
        yield f"has no sets of labels: {refused['set']}"
