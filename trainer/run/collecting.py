"""What the features of a run say: what more photos would bring, and which classes are similar."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from trainer.catalog import Catalog, Row
from trainer.cleaning.collecting import Collecting, what_to_collect
from trainer.predictions import read_predictions
from trainer.run.features import read_features
from trainer.run.folder import RunFolder


def collect_for_run(run: RunFolder, catalog: Catalog, *, now: Sequence[Row | None] | None = None) -> Collecting | None:
    """Predict it from the run's features, and the errors of its network on the validation images.

    Args:
        run: With its predictions.
        catalog: That of the run.
        now: Its rows as a person left them, None for an image that was removed; without it, they are as they were.

    Returns:
        What `what_to_collect` says; None if the run has no features.

    Raises:
        RunError: Its features are damaged, or of another catalog.
    """
    features = read_features(run, count=len(catalog.rows))
    if features is None:
        return None
    classes = {*catalog.classes}
    counts = np.array([row is not None and row.labels <= classes for row in now or catalog.rows])
    rows = [
        row if row is not None and row.labels <= classes else old
        for row, old in zip(now or catalog.rows, catalog.rows, strict=True)
    ]
    targets = catalog.targets(rows)
    predicted = np.zeros_like(targets) if targets.ndim == 2 else np.full_like(targets, -1)
    positions = {row.path: position for position, row in enumerate(catalog.rows)}
    index = {label: number for number, label in enumerate(catalog.classes)}
    for row in read_predictions(run.predictions, label_delimiter=catalog.label_delimiter):
        labels = [index[label] for label in row.predicted]
        if targets.ndim == 2:
            predicted[positions[row.path], labels] = 1
        else:
            predicted[positions[row.path]] = labels[0]
    splits = np.array([row.split for row in catalog.rows])
    return what_to_collect(
        features,
        targets,
        class_count=len(catalog.classes),
        is_train=(splits == "train") & counts,
        is_valid=(splits == "valid") & counts,
        predicted=predicted,
    )


def class_vectors(run: RunFolder, catalog: Catalog) -> npt.NDArray[np.float32] | None:
    """The mean features of each class over its training images, less those of all classes.

    Args:
        run: RUN.
        catalog: That of the run.

    Returns:
        float32 [K, C], which point in similar directions for similar classes; None if the run has no features.

    Raises:
        RunError: Its features are damaged, or of another catalog.
    """
    features = read_features(run, count=len(catalog.rows))
    if features is None:
        return None
    index = {label: number for number, label in enumerate(catalog.classes)}
    sums, counts = np.zeros((len(index), features.shape[1]), dtype=np.float32), np.zeros(len(index))
    for row, vector in zip(catalog.rows, features, strict=True):
        if row.split == "train":
            for label in row.labels:
                sums[index[label]] += vector
                counts[index[label]] += 1
    means = sums / np.maximum(1, counts)[:, np.newaxis]
    return np.asarray(means - means.mean(axis=0), dtype=np.float32)
