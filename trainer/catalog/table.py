"""A table that lists images with their labels."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from service.inputs import IMAGE_SUFFIXES, PathFinder, Record, assumed_columns, first_few, is_archive, read_records
from trainer.atomic import atomic_write_text
from trainer.catalog.archives import archive_root
from trainer.catalog.cells import is_empty, label_remarks, read_labels
from trainer.catalog.labels import clean_label, find_coarse_labels, natural_key
from trainer.catalog.options import Columns
from trainer.catalog.row import SPLIT_NAMES, Row, Source, Split
from trainer.errors import CatalogError

COARSE_COLUMN = "coarse"
_COLUMNS = ("path", "label", "split", "sha256", "note")
_OPTIONAL_COLUMNS = ("split", "sha256", "note")
# What other programs and data sets call a column, if there is no `path` or `label`.
LABEL_SYNONYMS = ("labels", "class", "classes", "class_name", "category", "categories", "target", "tag", "tags")
_SYNONYMS = {
    "path": (
        *("image", "images", "img", "file", "filename", "file_name", "filepath", "file_path", "image_path", "img_path"),
        *("image_file", "image_filename", "image_file_name", "image_name", "img_name", "image_id", "img_id", "id"),
    ),
    "label": LABEL_SYNONYMS,
}
_SHA256 = re.compile("[0-9a-f]{64}")


def read_table(
    table: Path, *, root: Path | None, columns: Columns, group_by: str = "", must_exist: bool = True
) -> Source:
    """Read the images that a table lists; see `read_records` for its form, and `PathFinder` for its paths.

    The columns `split` (train, valid or val or validation, test; in any case), `sha256` and `note` are read if they
    exist. An image that is listed twice with the same labels and split is read once, with a remark. So is what was
    assumed about columns, paths and labels.

    Args:
        table: A CSV, JSON lines, or Parquet. In the last two a list of labels gives an image several labels.
        root: Folder or archive that relative paths start from; None: the folder of the table.
        columns: How to read the table.
        group_by: Column of the image's group, if there is one of this name.
        must_exist: Whether every image must be there. If not, the file system is not asked.

    Raises:
        CatalogError: There are no rows, an image is missing, a label or coarse label is empty or cannot be written,
            the split is unknown, a class has two coarse labels, some rows have a list of labels and others do not, or
            an image is listed twice with different labels or splits.
        InputError: The table or a path in it cannot be read, or a column is missing.
    """
    finder = PathFinder(root=_base(table, root, columns), suffix=_suffix(columns.suffix), must_exist=must_exist)
    required = _required(columns)
    found_columns: dict[str, str] = {}
    found = _Rows(table=table, columns=columns)
    for record in read_records(
        table,
        required=required,
        optional=(*_OPTIONAL_COLUMNS, group_by) if group_by else _OPTIONAL_COLUMNS,
        synonyms=_SYNONYMS,
        on_columns=found_columns.update,
    ):
        where = f"{table}, row {record.number}"
        path = finder.find(_text(record, columns.path, where=where), table=table, number=record.number)
        found.add(record, _row(record, path, columns=columns, group_by=group_by, where=where))
    found.check()
    _require_found(table, finder, total=len(found.rows))
    is_own = found_columns.keys() >= {*_COLUMNS}  # what is to be said of its labels was said when they were read
    return Source(
        root=finder.root,
        rows=tuple(found.rows.values()),
        has_splits="split" in found_columns,
        labelled_by=f"the column {found_columns[columns.label]!a}",
        remarks=(
            *assumed_columns(table, required, found_columns),
            *finder.remarks(table),
            *(f"{table}: {remark}" for remark in found.remarks(about_labels=not is_own)),
        ),
        has_label_lists=True in found.lists,
    )


def write_table(table: Path, rows: Sequence[Row], *, label_delimiter: str | None, replace: bool = False) -> None:
    """Write rows as a CSV that `read_table` reads: path, label, split, sha256, note, and coarse if a row has it.

    The file is written completely or not at all.

    Args:
        table: The CSV.
        rows: In this order.
        label_delimiter: Separates the labels of one cell; None for classification.
        replace: Whether a file that is there is replaced.

    Raises:
        FileExistsError: There is a file or a link at `table`, and `replace` is false.
    """
    if not replace and os.path.lexists(table):
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


def _base(table: Path, root: Path | None, columns: Columns) -> Path:
    """The folder that paths start from. In an archive it is the folder that was packed, if the first image is there."""
    base = (root or table.parent).resolve()
    if not is_archive(base) or not base.is_file():
        return base
    packed = archive_root(base)
    first = next(read_records(table, required=_required(columns), synonyms=_SYNONYMS), None)
    if packed == base or first is None:
        return base
    finder = PathFinder(root=packed, suffix=_suffix(columns.suffix))
    finder.find(_text(first, columns.path, where=str(table)), table=table, number=first.number)
    return base if finder.missing else packed


def _text(record: Record, column: str, *, where: str) -> str:
    """A cell that must not be a list; empty if the table does not have the column."""
    cell = record.cells.get(column, "")
    if isinstance(cell, tuple):
        raise CatalogError(f"{where}: {column!r} is a list; write one text.")
    return cell


def _row(record: Record, path: str, *, columns: Columns, group_by: str, where: str) -> Row:
    digest = _text(record, "sha256", where=where).strip().casefold()
    return Row(
        path=path,
        labels=read_labels(
            record.cells[columns.label],
            delimiter=columns.label_delimiter,
            where=where,
            as_is=record.cells.keys() >= {*_COLUMNS},
        ),
        split=_split(_text(record, "split", where=where), where=where) if "split" in record.cells else "train",
        sha256=digest if _SHA256.fullmatch(digest) else None,
        coarse_label=_coarse_label(record, columns, where=where),
        note=_one_line(_text(record, "note", where=where)),
        group=_text(record, group_by, where=where).strip() if group_by else "",
    )


def _suffix(text: str) -> str:
    """The suffix of images with its dot, which may have been left out."""
    return f".{text}" if f".{text.casefold()}" in IMAGE_SUFFIXES else text


def _coarse_label(record: Record, columns: Columns, *, where: str) -> str:
    if columns.coarse is None:
        return ""
    text = _text(record, columns.coarse, where=where)
    if is_empty(text):
        raise CatalogError(f"{where}: the coarse label is empty; give every image the coarse label of its class.")
    return clean_label(text, where=f"{where}, column {columns.coarse!r}")


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


@dataclass(frozen=True, kw_only=True)
class _Rows:
    """The rows of one table, and what was noticed about them.

    Attributes:
        table: For messages.
        columns: How it is read.
        rows: Path -> row.
        numbers: Path -> number of the first row that lists it.
        repeated: Numbers of the rows that list a path again.
        lists: Whether the label is a list -> number of the first such row.
        emptied: Rows whose label is a word that programs write for an empty cell.
        coarse_entries: See `find_coarse_labels`.
    """

    table: Path
    columns: Columns
    rows: dict[str, Row] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    repeated: list[int] = field(default_factory=list)
    lists: dict[bool, int] = field(default_factory=dict)
    emptied: list[str] = field(default_factory=list)
    coarse_entries: list[tuple[str, str, str]] = field(default_factory=list)

    def add(self, record: Record, row: Row) -> None:
        """Add a row; raises CatalogError if its image was listed before, with other labels or in another split."""
        label = record.cells[self.columns.label]
        self.lists.setdefault(isinstance(label, tuple), record.number)
        if not row.labels and not isinstance(label, tuple) and label.strip(f" {self.columns.label_delimiter}"):
            self.emptied.append(f"row {record.number}: {label!r}")
        if self.columns.coarse is not None:
            self.coarse_entries.extend((label, row.coarse_label, f"row {record.number}") for label in row.labels)
        earlier = self.rows.setdefault(row.path, row)
        first = self.numbers.setdefault(row.path, record.number)
        if (earlier.labels, earlier.split) != (row.labels, row.split):
            raise CatalogError(
                f"{self.table}, row {record.number}: {row.path} is {_described(row)} here and {_described(earlier)} in "
                f"row {first}; keep the row that is right."
            )
        if first != record.number:
            self.repeated.append(record.number)

    def check(self) -> None:
        """Raise CatalogError if there is no row, if only some labels are lists, or if a class has two coarse labels."""
        if not self.rows:
            raise CatalogError(f"{self.table}: there are no rows with images; add one for each image.")
        if len(self.lists) > 1 and self.columns.label_delimiter is None:
            raise CatalogError(
                f"{self.table}: the label is a list in row {self.lists[True]} and none in row {self.lists[False]}; "
                "write a list in every row."
            )
        find_coarse_labels(self.coarse_entries, where=str(self.table))

    def remarks(self, *, about_labels: bool) -> Iterator[str]:
        """Yield sentences about the rows."""
        if self.repeated:
            yield f"{len(self.repeated):,} rows repeat an image and were ignored."
        if self.emptied:
            yield (
                f"{len(self.emptied):,} rows have a word that programs write for an empty cell, and no label "
                f"({self.emptied[0]})."
            )
        if about_labels:
            yield from label_remarks({label for row in self.rows.values() for label in row.labels})


def _require_found(table: Path, finder: PathFinder, *, total: int) -> None:
    if finder.missing:
        missing = [f"row {number}: {path}" for number, path in finder.missing.items()]
        raise CatalogError(
            f"{table}: {len(missing):,} of {total:,} images are not under {finder.root} ({first_few(missing)}); "
            "correct the paths, or name the folder that they start from with `root`."
        )
