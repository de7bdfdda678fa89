"""Tables of images, as `trainer fit` reads them: rows of cells by column."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

Row = dict[str, str]


def read_rows(table: Path) -> list[Row]:
    """Read every row, in the order of the file."""
    with open(table, encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def write_rows(table: Path, rows: Sequence[Row]) -> Path:
    """Write rows with the same columns; an existing file is replaced."""
    table.parent.mkdir(parents=True, exist_ok=True)
    with open(table, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return table


def digest(*tables: Sequence[Row]) -> str:
    """Return a short digest of the cells of the tables."""
    return hashlib.sha256(json.dumps(tables).encode()).hexdigest()[:12]


def evenly_spaced(rows: Sequence[Row], count: int) -> list[Row]:
    """Return at most `count` rows, evenly from the whole table."""
    return [rows[number * len(rows) // count] for number in range(count)] if count < len(rows) else list(rows)


def with_known_labels(rows: Sequence[Row], *, known: Sequence[Row]) -> list[Row]:
    """Return the rows whose label some row of `known` has."""
    labels = {row["label"] for row in known}
    return [row for row in rows if row["label"] in labels]


def some_classes(rows: Sequence[Row], count: int, *, coarse_column: str) -> list[Row]:
    """Return all rows of some coarse labels, drawn at random until they have `count` classes."""
    classes: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        classes[row[coarse_column]].add(row["label"])
    coarse_labels, drawn, class_count = sorted(classes), set(), 0
    for number in np.random.default_rng(0).permutation(len(coarse_labels)):
        if class_count < count:
            drawn.add(coarse_labels[number])
            class_count += len(classes[coarse_labels[number]])
    return [row for row in rows if row[coarse_column] in drawn]


def with_splits(train: Sequence[Row], valid: Sequence[Row]) -> list[Row]:
    """Join both splits into one table with the columns path, label and split."""
    splits = (("train", train), ("valid", valid))
    return [{"path": row["path"], "label": row["label"], "split": split} for split, rows in splits for row in rows]
