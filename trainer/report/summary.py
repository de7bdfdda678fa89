"""The numbers on the page: metrics, classes, images, and changed settings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

from service.bundle.spec import Task
from trainer.catalog import Catalog
from trainer.predictions import PredictionRow
from trainer.recipe import Recipe, settings_of
from trainer.report.class_order import order_classes
from trainer.report.confusion import ClassScore, ConfusedPair, confusion_matrix, most_confused, score_classes
from trainer.report.matrix_figure import MatrixFigure, draw_matrix
from trainer.training.metrics import wilson_interval

_MAX_CLASSES = 1_000
_MAX_PAIRS = 60
_MAX_MATRIX_CLASSES = 15


@dataclass(frozen=True, kw_only=True)
class MetricsSummary:
    """The fraction of validation images that are predicted correctly, and the other metrics.

    Attributes:
        fraction: Of the validation images, 0..1.
        text: What is true of this fraction, to be read after "98 % of 300 validation images".
        interval: Wilson's 95 % confidence interval of the fraction.
        image_count: Number of validation images.
        mistake_count: Number of images whose prediction is wrong.
        others: All other metrics of the exported model, by name.
    """

    fraction: float
    text: str
    interval: tuple[float, float]
    image_count: int
    mistake_count: int
    others: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class ClassSummary:
    """How well the classes are predicted, cut to what a person can read.

    Attributes:
        scores: The classes with the lowest F1, each with its number of training images; classes without a
            validation image come last.
        hidden_count: Number of classes that are not in `scores`.
        counts: Class -> number of its training and of its validation images.
        pairs: The most confused pairs, each with the number of images that have the missed label.
        hidden_pairs: Number of pairs that are not in `pairs`.
        matrix: Confusion matrix with its numbers; empty for multilabel or many classes.
        figure: The confusion matrix of many classes as a picture; None for multilabel or few classes.
    """

    scores: Sequence[tuple[ClassScore, int]]
    hidden_count: int
    counts: Mapping[str, tuple[int, int]]
    pairs: Sequence[tuple[ConfusedPair, int]]
    hidden_pairs: int
    matrix: Sequence[Sequence[int]]
    figure: MatrixFigure | None


@dataclass(frozen=True, kw_only=True)
class DatasetSummary:
    """The images that a run was trained and validated on.

    Attributes:
        task: `classification` or `multilabel`.
        classes: Every label, in the order of the model's output.
        train_count: Number of training images.
        valid_count: Number of validation images.
        test_count: Number of images that were set aside for testing.
        unreadable_count: Number of images that could not be decoded.
        images_per_class: Smallest, median and largest number of training images of a class.
        random_split: Whether the validation images were drawn at random from the data.
        warnings: Warnings of the catalog, as sentences.
    """

    task: Task
    classes: Sequence[str]
    train_count: int
    valid_count: int
    test_count: int
    unreadable_count: int
    images_per_class: tuple[int, float, int]
    random_split: bool
    warnings: Sequence[str]


def summarize_metrics(
    task: Task, metrics: Mapping[str, Any], predictions: Sequence[PredictionRow]
) -> MetricsSummary | None:
    """Summarize the metrics of the exported model; None if there are no validation images.

    Args:
        task: For classification the fraction is the accuracy. The metrics of multilabel hold no such fraction, so it
            is computed from `predictions`.
        metrics: What metrics.json of the bundle says of the model file.
        predictions: Of all validation images.
    """
    if "validation" not in metrics:
        return None
    others = dict(metrics["validation"])
    image_count = others.pop("images")
    correct_count = sum(row.correct for row in predictions)
    if task == "classification":
        fraction, text = others.pop("accuracy"), "are classified correctly"
    else:
        fraction, text = correct_count / len(predictions), "get exactly the right labels"
    return MetricsSummary(
        fraction=fraction,
        text=text,
        interval=wilson_interval(fraction, image_count),
        image_count=image_count,
        mistake_count=len(predictions) - correct_count,
        others=others,
    )


def summarize_classes(
    catalog: Catalog, predictions: Sequence[PredictionRow], *, vectors: npt.NDArray[np.float32] | None
) -> ClassSummary:
    """Summarize the predictions for all validation images by class.

    Args:
        catalog: Of the run.
        predictions: Of all validation images.
        vectors: float32 [K, C], which say which classes are similar; None: those that are confused are.
    """
    true, predicted = [row.labels for row in predictions], [row.predicted for row in predictions]
    scores = score_classes(catalog.classes, true, predicted)
    true_counts = {score.label: score.true_count for score in scores}
    train_counts = _train_counts(catalog)
    worst = sorted(scores, key=_by_f1)[:_MAX_CLASSES]
    confused = most_confused(true, predicted)
    matrix, figure = None, None
    if catalog.task == "classification":
        matrix = confusion_matrix(catalog.classes, true, predicted)
    if matrix is not None and len(catalog.classes) > _MAX_MATRIX_CLASSES:
        figure, matrix = _figure(matrix, catalog, vectors), None
    return ClassSummary(
        scores=[(score, train_counts[score.label]) for score in worst],
        hidden_count=len(scores) - len(worst),
        counts={label: (train_counts[label], true_counts[label]) for label in catalog.classes},
        pairs=[(pair, true_counts[pair.label]) for pair in confused[:_MAX_PAIRS]],
        hidden_pairs=max(0, len(confused) - _MAX_PAIRS),
        matrix=[] if matrix is None else matrix.tolist(),
        figure=figure,
    )


def _figure(matrix: npt.NDArray[np.int64], catalog: Catalog, vectors: npt.NDArray[np.float32] | None) -> MatrixFigure:
    groups = catalog.coarse_indices.tolist() if catalog.coarse_labels else []
    similar = (matrix + matrix.T).astype(np.float32) if vectors is None else vectors
    return draw_matrix(
        matrix,
        order_classes(similar, groups),
        classes=catalog.classes,
        coarse_labels=[catalog.coarse_labels[group] for group in groups],
    )


def summarize_dataset(catalog: Catalog, *, unreadable_count: int, random_split: bool) -> DatasetSummary:
    """Count the images of a catalog."""
    counts = sorted(_train_counts(catalog).values())
    return DatasetSummary(
        task=catalog.task,
        classes=catalog.classes,
        train_count=len(catalog.split("train")),
        valid_count=len(catalog.split("valid")),
        test_count=len(catalog.split("test")),
        unreadable_count=unreadable_count,
        images_per_class=(counts[0], median(counts), counts[-1]),
        random_split=random_split,
        warnings=catalog.warnings,
    )


def changed_settings(recipe: Recipe) -> dict[str, tuple[Any, Any]]:
    """List the settings that differ from their default: key -> (value, default). Where the images are is left out."""
    return {
        item.key: (_plain(item.default), _plain(default.default))
        for item, default in zip(settings_of(recipe), settings_of(Recipe()), strict=True)
        if item.default != default.default and not item.key.startswith("data.")
    }


def _plain(value: Any) -> Any:
    return value if isinstance(value, (str, int, float, bool)) else str(value)


def _train_counts(catalog: Catalog) -> Counter[str]:
    return Counter(label for row in catalog.split("train") for label in row.labels)


def _by_f1(score: ClassScore) -> tuple[bool, float, int]:
    """Sort key: lowest F1 first, then most images first; classes without a validation image last."""
    return score.f1 is None, score.f1 or 0.0, -score.true_count
