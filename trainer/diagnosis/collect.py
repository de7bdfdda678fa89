"""From a finished fit to the evidence that the rules look at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trainer.catalog import Row, lost_classes
from trainer.data.prepare import Prepared
from trainer.diagnosis.curve import LearningCurve
from trainer.diagnosis.evidence import Evidence, LRSuggestion, NearestTrainImages
from trainer.diagnosis.label_noise import LabelNoise
from trainer.diagnosis.near_duplicates import FEW_IMAGES, FloatArray, nearest, whiten
from trainer.diagnosis.predictions import Predictions
from trainer.recipe import Recipe
from trainer.training.history import TrainingHistory
from trainer.training.loop import FitResult
from trainer.training.lr_find.result import LRFindResult
from trainer.training.metrics import activate


def collect_evidence(
    recipe: Recipe,
    prepared: Prepared,
    result: FitResult,
    *,
    history: TrainingHistory,
    lr_find: LRFindResult | None,
    embeddings: FloatArray,
    label_noise: LabelNoise | None,
) -> Evidence:
    """Collect what the rules look at; nothing is written.

    Args:
        recipe: Of the run.
        prepared: The images that the run learned from.
        result: Its best model.
        history: Its epochs and steps.
        lr_find: What the learning rate finder found for fine-tuning; None if it was not run.
        embeddings: [N + M, C], of the training rows and then of the validation rows; see `embed_images`. Not used if
            there are no validation rows.
        label_noise: Labels that are probably wrong.
    """
    data, catalog = prepared.data, prepared.catalog
    train_rows, valid_rows = catalog.split("train"), catalog.split("valid")
    # Classification is not calibrated here: if many labels are wrong, calibration makes the model unsure of what it
    # knows.
    valid_probabilities, subset_probabilities = (
        result.calibration.activate(logits) if data.task == "multilabel" else activate(logits, data.task)
        for logits in (result.logits, result.subset_logits)
    )
    return Evidence(
        recipe=recipe,
        catalog=catalog,
        lost_classes=lost_classes(prepared.unreadable, catalog.classes),
        curve=LearningCurve.from_history(
            history, task=data.task, train_targets=data.train_targets, valid_count=len(data.valid)
        ),
        lr_suggestion=LRSuggestion.from_result(lr_find),
        valid=Predictions(
            names=[row.path for row in valid_rows], probabilities=valid_probabilities, targets=data.valid_targets
        ),
        train_subset=Predictions(
            names=[train_rows[position].path for position in data.subset_positions.tolist()],
            probabilities=subset_probabilities,
            targets=data.subset_targets,
        ),
        thresholds=result.calibration.thresholds,
        nearest=_nearest_train_images(embeddings, train_rows, valid_rows),
        label_noise=label_noise,
    )


def _nearest_train_images(
    embeddings: FloatArray, train_rows: Sequence[Row], valid_rows: Sequence[Row]
) -> NearestTrainImages:
    if not valid_rows:
        return NearestTrainImages(similarities=np.empty(0, dtype=np.float32), pairs=[], few=False)
    units = whiten(embeddings)
    positions, similarities = nearest(units[len(train_rows) :], units[: len(train_rows)])
    return NearestTrainImages(
        similarities=similarities,
        pairs=[
            (row.path, train_rows[position].path) for row, position in zip(valid_rows, positions.tolist(), strict=True)
        ],
        few=len(embeddings) < FEW_IMAGES,
    )
