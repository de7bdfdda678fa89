"""predictions.csv: a line for every validation image, the worst mistakes first."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trainer.catalog import Catalog, Row

_COLUMNS = ("path", "label", "predicted", "probability", "correct", "loss")


def write_predictions(
    path: Path, catalog: Catalog, probabilities: npt.NDArray[np.floating[Any]], *, thresholds: Sequence[float]
) -> None:
    """Write what was predicted for the validation rows of a catalog, by falling loss; whole or not at all.

    probabilities  [N, K], in the rows' order
    thresholds     multilabel: one a class, at and over which a label is predicted; classification: not looked at

    Columns: path; label (several stand with the catalog's delimiter); predicted; probability (of the best class);
    correct (1 or 0); loss (cross-entropy, or mean binary cross-entropy over the classes).
    """
    rows = catalog.side("valid")
    targets = catalog.targets(rows)
    clipped = np.clip(probabilities.astype(np.float64), 1e-12, 1 - 1e-12)
    if catalog.task == "classification":
        loss = -np.log(clipped[np.arange(len(rows)), targets])
    else:
        loss = -np.where(targets > 0, np.log(clipped), np.log(1 - clipped)).mean(axis=1)
    partial = path.with_name(f".{path.name}.partial")
    with open(partial, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for number in np.argsort(-loss, kind="stable"):
            writer.writerow(_line(rows[number], catalog, probabilities[number], thresholds, float(loss[number])))
    partial.replace(path)


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
    )
