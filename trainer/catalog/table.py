"""A CSV that lists images with their labels."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from service.inputs import first_few, read_records, relative_path
from trainer.atomic import atomic_write_text
from trainer.catalog.labels import clean_label, find_coarse_labels, natural_key, split_labels
from trainer.catalog.options import Columns
from trainer.catalog.row import SPLIT_NAMES, Row, Source, Split
from trainer.errors import CatalogError

COARSE_COLUMN = "coarse"
_COLUMNS = ("path", "label", "split", "sha256", "note")
_OPTIONAL_COLUMNS = ("split", "sha256", "note")
_SHA256 = re.compile("[0-9a-f]{64}")


def read_table(
    table: Path, *, root: Path | None, columns: Columns, group_by: str = "", must_exist: bool = True
) -> Source:
    """Read the images that a CSV lists; see `read_records` for its form.

    The columns `split` (train, valid or val or validation, test; in any case), `sha256` and `note` are read if they
    exist. An image that is listed twice with the same labels and split is read once, with a remark.

    Args:
        table: The CSV.
        root: Folder that relative paths start from; None: the folder of the table.
        columns: How to read the table.
        group_by: Column of the image's group, if there is one of this name.
        must_exist: Whether every image must be there. If not, the file system is not asked.

    Raises:
        CatalogError: There are no rows, an image is missing, a label or coarse label is empty or cannot be written,
            the split is unknown, a class has two coarse labels, or an image is listed twice with different labels or
            splits.
        InputError: The table or a path in it cannot be read, or a column is missing.
    """
    base = (root or table.parent).resolve()
    rows: dict[str, Row] = {}
    numbers: dict[str, int] = {}
    coarse_entries: list[tuple[str, str, str]] = []
    repeated, has_splits = 0, False
    optional = (*_OPTIONAL_COLUMNS, group_by) if group_by else _OPTIONAL_COLUMNS
    for record in read_records(table, required=_required(columns), optional=optional):
        row = _row(record.cells, base=base, columns=columns, where=f"{table}, row {record.number}")
        row = replace(row, group=record.cells.get(group_by, "").strip()) if group_by else row
        has_splits = "split" in record.cells
        earlier = rows.setdefault(row.path, row)
        first = numbers.setdefault(row.path, record.number)
        coarse_entries += [(label, row.coarse_label, f"row {record.number}") for label in row.labels]
        repeated += first != record.number
        if (earlier.labels, earlier.split) != (row.labels, row.split):
            raise CatalogError(
                f"{table}, row {record.number}: {row.path} is {_described(row)} here and {_described(earlier)} in row "
                f"{first}; keep the row that is right."
            )
    if not rows:
        raise CatalogError(f"{table}: there are no rows under the header; add one for each image.")
    if must_exist:
        _require_files(table, numbers, base=base)
    find_coarse_labels(coarse_entries, where=str(table))
    remarks = (f"{table}: {repeated:,} rows repeat an image and were ignored.",) if repeated else ()
    return Source(
        root=base,
        rows=tuple(rows.values()),
        has_splits=has_splits,
        labelled_by=f"the column {columns.label!r}",
        remarks=remarks,
    )


def write_table(table: Path, rows: Sequence[Row], *, label_delimiter: str | None) -> None:
    """Write rows as a CSV that `read_table` reads: path, label, split, sha256, note, and coarse if a row has it.

    The file is written completely or not at all.

    Raises:
        FileExistsError: There is a file or a link at `table`.
    """
    if os.path.lexists(table):
        raise FileExistsError(f"{table} exists already; give another name or move it away.")
    has_coarse_labels = any(row.coarse_label for row in rows)
    with atomic_write_text(table) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow((*_COLUMNS, COARSE_COLUMN) if has_coarse_labels else _COLUMNS)
        for row in rows:
            label = (label_delimiter or "").join(sorted(row.labels, key=natural_key))
            cells = (row.path, label, row.split, row.sha256 or "", _one_line(row.note))
            writer.writerow((*cells, row.coarse_label) if has_coarse_labels else cells)


def _required(columns: Columns) -> dict[str, str]:
    required = {"path_column": columns.path, "label_column": columns.label}
    return required if columns.coarse is None else {**required, "coarse_column": columns.coarse}


def _row(cells: Mapping[str, str], *, base: Path, columns: Columns, where: str) -> Row:
    path = relative_path(cells[columns.path], root=base, where=where)
    label = cells[columns.label]
    if columns.label_delimiter is None:
        labels = frozenset({clean_label(label, where=where)})
    else:
        labels = split_labels(label, delimiter=columns.label_delimiter, where=where)
    digest = cells.get("sha256", "").strip().casefold()
    return Row(
        path=path,
        labels=labels,
        split=_split(cells.get("split", "train"), where=where),
        sha256=digest if _SHA256.fullmatch(digest) else None,
        coarse_label=_coarse_label(cells, columns, where=where),
        note=_one_line(cells.get("note", "")),
    )


def _coarse_label(cells: Mapping[str, str], columns: Columns, *, where: str) -> str:
    if columns.coarse is None:
        return ""
    if not cells[columns.coarse].strip():
        raise CatalogError(f"{where}: the coarse label is empty; give every image the coarse label of its class.")
    return clean_label(cells[columns.coarse], where=f"{where}, column {columns.coarse!r}")


def _split(text: str, *, where: str) -> Split:
    try:
        return SPLIT_NAMES[text.strip().casefold()]
    except KeyError:
        raise CatalogError(f"{where}: the split is {text!a}, not one of {', '.join(SPLIT_NAMES)}.") from None


def _one_line(text: str) -> str:
    return " ".join(text.encode(errors="replace").decode().split())


def _described(row: Row) -> str:
    labels = " + ".join(repr(label) for label in sorted(row.labels, key=natural_key)) or "without a label"
    return f"{labels} ({row.split})"


def _require_files(table: Path, numbers: Mapping[str, int], *, base: Path) -> None:
    missing = [f"row {number}: {path}" for path, number in numbers.items() if not _is_file(base / path)]
    if missing:
        raise CatalogError(
            f"{table}: {len(missing):,} of {len(numbers):,} images are not under {base} ({first_few(missing)}); "
            "correct the paths, or name the folder that they start from with `root`."
        )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # the name is too long, or a folder does not allow it
        return False
