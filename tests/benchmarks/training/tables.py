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
    """Every row, in the order of the file."""
    with open(table, encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def write_rows(table: Path, rows: Sequence[Row]) -> Path:
    """Write rows of the same columns; what stood there is replaced."""
    table.parent.mkdir(parents=True, exist_ok=True)
    with open(table, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return table


def digest(*tables: Sequence[Row]) -> str:
    """A short name for what the tables hold."""
    return hashlib.sha256(json.dumps(tables).encode()).hexdigest()[:12]


def spread(rows: Sequence[Row], count: int) -> list[Row]:
    """At most `count` rows, evenly from the whole table."""
    return [rows[number * len(rows) // count] for number in range(count)] if count < len(rows) else list(rows)


def known(rows: Sequence[Row], among: Sequence[Row]) -> list[Row]:
    """The rows whose label some row of `among` has."""
    labels = {row["label"] for row in among}
    return [row for row in rows if row["label"] in labels]


def some_classes(rows: Sequence[Row], count: int, *, coarse_column: str) -> list[Row]:
    """The rows of whole groups, drawn at random until they have `count` classes."""
    classes: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        classes[row[coarse_column]].add(row["label"])
    groups, taken, seen = sorted(classes), set(), 0
    for number in np.random.default_rng(0).permutation(len(groups)):
        if seen < count:
            taken.add(groups[number])
            seen += len(classes[groups[number]])
    return [row for row in rows if row[coarse_column] in taken]


def sided(train: Sequence[Row], valid: Sequence[Row]) -> list[Row]:
    """One table of both sides, with the columns path, label and split."""
    sides = (("train", train), ("valid", valid))
    return [{"path": row["path"], "label": row["label"], "split": side} for side, rows in sides for row in rows]
