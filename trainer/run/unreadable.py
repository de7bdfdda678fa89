"""unreadable.csv: the files that cannot be decoded, and why."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from trainer.atomic import atomic_write_text
from trainer.catalog import Row
from trainer.catalog.row import SPLIT_NAMES

_COLUMNS = ("path", "label", "split", "reason")


def write_unreadable(path: Path, unreadable: Mapping[Row, str], *, label_delimiter: str | None) -> None:
    """Write rows with their reasons; replaces the file."""
    with atomic_write_text(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for row, reason in unreadable.items():
            writer.writerow((row.path, (label_delimiter or "").join(sorted(row.labels)), row.split, reason))


def read_unreadable(path: Path, *, label_delimiter: str | None) -> dict[Row, str]:
    """Read what `write_unreadable` wrote; empty if there is no such file."""
    if not path.exists():
        return {}
    with open(path, encoding="utf-8", newline="") as file:
        return {_row(cells, label_delimiter): cells["reason"] for cells in csv.DictReader(file)}


def _row(cells: Mapping[str, str], label_delimiter: str | None) -> Row:
    label, split = cells.get("label", ""), cells.get("split", "train")  # a list may have only paths and reasons
    labels = label.split(label_delimiter) if label_delimiter else [label]
    return Row(path=cells["path"], labels=frozenset(filter(None, labels)), split=SPLIT_NAMES[split])
