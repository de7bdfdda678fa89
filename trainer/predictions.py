"""predictions.csv: one line per predicted image, the highest loss first."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from service.bundle import ModelSpec
from service.prediction import Abstained
from trainer.atomic import atomic_write_text
from trainer.catalog import Catalog, Split

FloatArray = npt.NDArray[np.floating[Any]]

_COLUMNS = ("path", "label", "predicted", "probability", "correct", "loss")
_DOUBT_COLUMNS = ("abstained", "set")
_COARSE_COLUMNS = ("coarse", "predicted_coarse", "coarse_probability")


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """What a model does not know of an image.

    Attributes:
        abstained: Why it gives no label; None if it gives what it has.
        label_set: The labels that it cannot exclude; None if it has no sets.
    """

    abstained: Abstained | None = None
    label_set: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class PredictionRow:
    """One line of predictions.csv.

    Attributes:
        path: Path of the image, from the catalog's root.
        labels: True labels: one for classification, any number for multilabel.
        predicted: Predicted labels.
        probability: Probability of the most probable class.
        loss: Cross-entropy; for multilabel the mean binary cross-entropy over the classes.
        doubt: What the model does not know; None if it was not asked.
        coarse: True coarse label; empty if the catalog has no coarse labels.
        predicted_coarse: Predicted coarse label; empty if the catalog has no coarse labels.
        coarse_probability: Probability of the predicted coarse label; None if the catalog has no coarse labels.
    """

    path: str
    labels: frozenset[str]
    predicted: frozenset[str]
    probability: float
    loss: float
    doubt: Doubt | None = None
    coarse: str = ""
    predicted_coarse: str = ""
    coarse_probability: float | None = None

    @property
    def correct(self) -> bool:
        """Whether the predicted labels are exactly the true ones."""
        return self.predicted == self.labels


def write_predictions(
    path: Path,
    catalog: Catalog,
    probabilities: FloatArray,
    *,
    thresholds: Sequence[float],
    split: Split = "valid",
) -> None:
    """Write the predictions for one split of a catalog; see `prediction_rows` and `write_rows`."""
    write_rows(path, prediction_rows(catalog, probabilities, thresholds=thresholds, split=split), catalog)


def write_rows(path: Path, rows: Sequence[PredictionRow], catalog: Catalog) -> None:
    """Write rows, the highest loss first; an existing file is replaced.

    Columns: path; label (several labels are joined by the catalog's delimiter); predicted; probability (of the most
    probable class); correct (1 or 0); loss. If the rows have a doubt: abstained (unknown, unsure or nothing; then
    `predicted` is what the label would be), set (joined by "; "). If the catalog has coarse labels: coarse;
    predicted_coarse; coarse_probability (the sum over the classes of the predicted coarse label).

    Args:
        path: File to write; the file appears only once it is complete.
        rows: All with a doubt, or all without.
        catalog: Catalog of the images.
    """
    delimiter = catalog.label_delimiter or ""
    doubt_columns = _DOUBT_COLUMNS if rows and rows[0].doubt is not None else ()
    with atomic_write_text(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow((*_COLUMNS, *doubt_columns, *(_COARSE_COLUMNS if catalog.coarse_labels else ())))
        writer.writerows(_cells(row, delimiter) for row in sorted(rows, key=lambda row: -row.loss))


def read_predictions(path: Path, *, label_delimiter: str | None) -> tuple[PredictionRow, ...]:
    """Read a file that `write_predictions` wrote.

    Args:
        path: File to read.
        label_delimiter: The catalog's: the text between the labels of one cell; None for classification.

    Returns:
        The rows of the file, the highest loss first.
    """
    with open(path, encoding="utf-8", newline="") as file:
        return tuple(_parse(cells, label_delimiter) for cells in csv.DictReader(file))


def prediction_rows(
    catalog: Catalog, probabilities: FloatArray, *, thresholds: Sequence[float], split: Split = "valid"
) -> list[PredictionRow]:
    """Return a row for each image of a split.

    Args:
        catalog: Catalog of the images.
        probabilities: [N, K], one row per image of the split, in the catalog's order.
        thresholds: For multilabel one per class: a class is predicted if its probability is at least this. None for
            classification.
        split: Split of the catalog that the probabilities belong to.
    """
    rows = catalog.split(split)
    from trainer.training.tasks import TASKS  # scikit-learn takes a second to import
    from trainer.training.tasks.numbers import sum_coarse

    task = TASKS[catalog.task]
    losses = task.losses(probabilities, catalog.targets(rows))
    predicted = task.predicted(probabilities, thresholds)
    coarse = sum_coarse(probabilities, catalog.coarse_indices) if catalog.coarse_labels else None
    return [
        PredictionRow(
            path=row.path,
            labels=row.labels,
            predicted=frozenset(catalog.classes[k] for k in np.flatnonzero(predicted[index])),
            probability=float(probabilities[index].max()),
            loss=float(losses[index]),
            coarse=row.coarse_label if coarse is not None else "",
            predicted_coarse=catalog.coarse_labels[int(coarse[index].argmax())] if coarse is not None else "",
            coarse_probability=float(coarse[index].max()) if coarse is not None else None,
        )
        for index, row in enumerate(rows)
    ]


def has_doubts(chosen: ModelSpec) -> bool:
    """Return whether a model file may abstain, or names several labels."""
    return any(member is not None for member in (chosen.ood, chosen.abstain, chosen.set))


def measure_doubts(rows: Sequence[PredictionRow], chosen: ModelSpec) -> dict[str, dict[str, float]]:
    """Count what was answered, and what was in the sets.

    Args:
        rows: The predictions, each with its doubt.
        chosen: What spec.json says of the model file.

    Returns:
        `abstention` if it may abstain: of how many images the labels were given (`answered`) and how many of these were
        right (`right`), how many were `unknown` and `unsure`. `sets` if there are sets: how many have the right label
        (`right`), and how many labels they have (`mean_size`).
    """
    doubts = [row.doubt for row in rows if row.doubt is not None]
    found: dict[str, dict[str, float]] = {}
    if chosen.ood is not None or chosen.abstain is not None:
        reasons = Counter(doubt.abstained for doubt in doubts)
        found["abstention"] = {
            "answered": reasons[None],
            "right": sum(row.correct for row in rows if row.doubt is not None and row.doubt.abstained is None),
            "unknown": reasons["unknown"],
            "unsure": reasons["unsure"],
        }
    if chosen.set is not None:
        sets = [frozenset(doubt.label_set or ()) for doubt in doubts]
        found["sets"] = {
            "right": sum(row.labels <= labels for row, labels in zip(rows, sets, strict=True)),
            "mean_size": sum(map(len, sets)) / len(sets),
        }
    return found


def _cells(row: PredictionRow, delimiter: str) -> Sequence[str]:
    cells: tuple[str, ...] = (
        row.path,
        delimiter.join(sorted(row.labels)),
        delimiter.join(sorted(row.predicted)),
        f"{row.probability:.6f}",
        str(int(row.correct)),
        f"{row.loss:.6f}",
    )
    if row.doubt is not None:
        cells = (*cells, row.doubt.abstained or "", "; ".join(row.doubt.label_set or ()))
    if row.coarse_probability is None:
        return cells
    return (*cells, row.coarse, row.predicted_coarse, f"{row.coarse_probability:.6f}")


def _parse(cells: Mapping[str, str], delimiter: str | None) -> PredictionRow:
    return PredictionRow(
        path=cells["path"],
        labels=_split_labels(cells["label"], delimiter),
        predicted=_split_labels(cells["predicted"], delimiter),
        probability=float(cells["probability"]),
        loss=float(cells["loss"]),
        coarse=cells.get("coarse", ""),
        predicted_coarse=cells.get("predicted_coarse", ""),
        coarse_probability=float(cells["coarse_probability"]) if "coarse_probability" in cells else None,
    )


def _split_labels(cell: str, delimiter: str | None) -> frozenset[str]:
    return frozenset({cell} if delimiter is None else filter(None, cell.split(delimiter)))
