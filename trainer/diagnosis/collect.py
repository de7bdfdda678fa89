"""From a finished fit to the evidence that the rules look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from trainer.catalog import Catalog, Row, hold_out, lost_classes
from trainer.data.prepare import Prepared
from trainer.diagnosis.curve import LearningCurve
from trainer.diagnosis.evidence import Evidence, LRSuggestion, NearestTrainImages
from trainer.diagnosis.near_duplicates import FEW_IMAGES, FloatArray, near_duplicate_groups, nearest, whiten
from trainer.diagnosis.predictions import Predictions
from trainer.errors import CatalogError
from trainer.recipe import Recipe
from trainer.training.history import TrainingHistory
from trainer.training.loop import FitResult
from trainer.training.lr_find.result import LRFindResult
from trainer.training.metrics import activate

# A little below `NEAR_DUPLICATE_SIMILARITY`, so that no near duplicates are separated by the new split.
_LINK_SIMILARITY = 0.7


def collect_evidence(
    recipe: Recipe,
    prepared: Prepared,
    result: FitResult,
    *,
    history: TrainingHistory,
    lr_find: LRFindResult | None,
    embeddings: FloatArray,
) -> Evidence:
    """Collect what the rules look at; nothing is written.

    Args:
        recipe: Of the run.
        prepared: The images that the run learned from.
        result: Its best model.
        history: Its epochs and steps.
        lr_find: What the learning rate finder found for fine-tuning; None if it was not run.
        embeddings: [N + M, C], of the training rows and then of the validation rows; see `embed_images`.
    """
    data, catalog = prepared.data, prepared.catalog
    train_rows, valid_rows = catalog.split("train"), catalog.split("valid")
    # Classification is not calibrated here: if many labels are wrong, calibration makes the model unsure of what it
    # knows.
    valid_probabilities, subset_probabilities = (
        result.calibration.activate(logits) if data.task == "multilabel" else activate(logits, data.task)
        for logits in (result.logits, result.subset_logits)
    )
    nearest_images = _nearest_train_images(embeddings, train_rows, valid_rows)
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
        nearest=nearest_images,
        regrouped=regroup(catalog, embeddings, seed=recipe.seed) if nearest_images.leaked else None,
    )


def regroup(catalog: Catalog, embeddings: FloatArray, *, seed: int) -> Catalog | None:
    """Split the same images anew so that near duplicates stay together, with as many validation images as before.

    Args:
        catalog: The images.
        embeddings: [N + M, C], of the training rows and then of the validation rows.
        seed: Of the split.

    Returns:
        The catalog with the new split; None if there is no such split, because all images belong to one group.
    """
    rows = (*catalog.split("train"), *catalog.split("valid"))
    groups = near_duplicate_groups(embeddings, threshold=_LINK_SIMILARITY)
    held_out = hold_out(
        [row.path for row in rows],
        [row.labels for row in rows],
        fraction=len(catalog.split("valid")) / len(rows),
        seed=seed,
        groups=[str(group) for group in groups],
    )
    split = tuple(replace(row, split="valid" if held else "train") for row, held in zip(rows, held_out, strict=True))
    try:
        return replace(catalog, rows=(*split, *catalog.split("test")))
    except CatalogError:
        return None


def _nearest_train_images(
    embeddings: FloatArray, train_rows: Sequence[Row], valid_rows: Sequence[Row]
) -> NearestTrainImages:
    units = whiten(embeddings)
    positions, similarities = nearest(units[len(train_rows) :], units[: len(train_rows)])
    return NearestTrainImages(
        similarities=similarities,
        pairs=[
            (row.path, train_rows[position].path) for row, position in zip(valid_rows, positions.tolist(), strict=True)
        ],
        few=len(embeddings) < FEW_IMAGES,
    )
