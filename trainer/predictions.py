"""predictions.csv: a line for every image that was judged, the worst mistakes first."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trainer.atomic import atomic_write_text
from trainer.catalog import Catalog, Row, Split
from trainer.training.metrics import sum_coarse

_COLUMNS = ("path", "label", "predicted", "probability", "correct", "loss")
_GROUP_COLUMNS = ("group", "predicted_group", "group_probability")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A line of predictions.csv: what an image is, what it was called, and the loss of that."""

    path: str
    labels: frozenset[str]
    predicted: frozenset[str]
    loss: float


def write_predictions(
    path: Path,
    catalog: Catalog,
    probabilities: npt.NDArray[np.floating[Any]],
    *,
    thresholds: Sequence[float],
    split: Split = "valid",
) -> None:
    """Write what was predicted for the rows of one split of a catalog, by falling loss; whole or not at all.

    probabilities  [N, K], in the rows' order
    thresholds     multilabel: one a class, at and over which a label is predicted; classification: not looked at

    Columns: path; label (several stand with the catalog's delimiter); predicted; probability (of the best class);
    correct (1 or 0); loss (cross-entropy, or mean binary cross-entropy over the classes). Where the catalog has groups:
    group; predicted_group; group_probability (of the best group, summed over its classes).
    """
    rows = catalog.split(split)
    targets = catalog.targets(rows)
    clipped = np.clip(probabilities.astype(np.float64), 1e-12, 1 - 1e-12)
    if catalog.task == "classification":
        loss = -np.log(clipped[np.arange(len(rows)), targets])
    else:
        loss = -np.where(targets > 0, np.log(clipped), np.log(1 - clipped)).mean(axis=1)
    with atomic_write_text(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow((*_COLUMNS, *(_GROUP_COLUMNS if catalog.coarse_labels else ())))
        for number in np.argsort(-loss, kind="stable"):
            writer.writerow(_line(rows[number], catalog, probabilities[number], thresholds, float(loss[number])))


def read_predictions(path: Path, *, label_delimiter: str | None) -> tuple[Answer, ...]:
    """What `write_predictions` wrote for a catalog with this delimiter, the worst first."""
    with open(path, encoding="utf-8", newline="") as file:
        return tuple(
            Answer(
                path=line["path"],
                labels=_labels(line["label"], label_delimiter),
                predicted=_labels(line["predicted"], label_delimiter),
                loss=float(line["loss"]),
            )
            for line in csv.DictReader(file)
        )


def _labels(cell: str, delimiter: str | None) -> frozenset[str]:
    return frozenset({cell} if delimiter is None else filter(None, cell.split(delimiter)))


def _line(
    row: Row, catalog: Catalog, probabilities: npt.NDArray[Any], thresholds: Sequence[float], loss: float
) -> Sequence[str]:
    if catalog.task == "classification":
        predicted = {catalog.classes[int(probabilities.argmax())]}
    else:
        predicted = {catalog.classes[index] for index in np.flatnonzero(probabilities >= np.asarray(thresholds))}
    delimiter = catalog.label_delimiter or ""
    return (
        row.path,
        delimiter.join(sorted(row.labels)),
        delimiter.join(sorted(predicted)),
        f"{probabilities.max():.6f}",
        str(int(predicted == row.labels)),
        f"{loss:.6f}",
        *_group_cells(row, catalog, probabilities),
    )


def _group_cells(row: Row, catalog: Catalog, probabilities: npt.NDArray[Any]) -> Sequence[str]:
    if not catalog.coarse_labels:
        return ()
    (summed,) = sum_coarse(probabilities[np.newaxis], catalog.coarse_indices)
    return row.coarse_label, catalog.coarse_labels[int(summed.argmax())], f"{summed.max():.6f}"
