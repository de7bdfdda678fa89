"""A CSV that names images and says what each one is."""

from __future__ import annotations

import csv
import os
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trainer.atomic import atomic_write_text
from trainer.catalog.errors import first_few
from trainer.catalog.grouping import groups_of
from trainer.catalog.labels import clean_label, natural_key, split_labels, unwritable
from trainer.catalog.row import SPLIT_NAMES, Row, Split
from trainer.catalog.source import Source
from trainer.errors import CatalogError

_SHA256 = re.compile("[0-9a-f]{64}")
_COLUMNS = ("path", "label", "split", "sha256", "note")
COARSE_COLUMN = "coarse"


@dataclass(frozen=True, kw_only=True)
class Columns:
    """How a table is read.

    path, label      names of the columns that hold the image's path and its label or labels
    label_delimiter  what stands between labels in one cell; None: the whole cell is one label
    group            name of the column that holds the group of the image's class; None: there are no groups
    """

    path: str = "path"
    label: str = "label"
    label_delimiter: str | None = None
    group: str | None = None


def read_table(table: Path, *, root: Path | None, columns: Columns, must_exist: bool = True) -> Source:
    """The images that a CSV names: UTF-8, with or without byte order mark, separated by comma, semicolon or tab.

    Paths are absolute or start from `root`, by default the table's own folder. The columns `split` (train, valid or
    val or validation, test; in any case), `sha256` and `note` are read where they are there. In errors the header is
    row 1, as in a spreadsheet. An image named twice with the same labels is read once, with a remark. Where the images
    need not be `must_exist`, nothing looks for them.

    Raises CatalogError for a table that cannot be read or has no rows, a missing column, a missing file, an empty
    label (where one is needed) or group, an unknown side, a class of two groups, or an image named twice with different
    labels.
    """
    base = (root or table.parent).resolve()
    rows: dict[str, Row] = {}
    numbers: dict[str, int] = {}
    places: list[tuple[str, str, str]] = []
    repeated, sided = 0, False
    for number, cells in _records(table, columns):
        row = _row(cells, base=base, columns=columns, where=f"{table}, row {number}")
        sided = "split" in cells
        earlier = rows.setdefault(row.path, row)
        first = numbers.setdefault(row.path, number)
        places += [(label, row.coarse_label, f"row {number}") for label in row.labels]
        repeated += first != number
        if (earlier.labels, earlier.split) != (row.labels, row.split):
            raise CatalogError(
                f"{table}, row {number}: {row.path} is {_described(row)} here and {_described(earlier)} in row "
                f"{first}; keep the row that is right."
            )
    if not rows:
        raise CatalogError(f"{table}: there are no rows under the header; add one for each image.")
    if must_exist:
        _require_files(table, numbers, base=base)
    groups_of(places, where=str(table))
    remarks = (f"{table}: {repeated:,} rows name an image again and were passed over.",) if repeated else ()
    return Source(root=base, rows=tuple(rows.values()), sided=sided, remarks=remarks)


def write_table(table: Path, rows: Sequence[Row], *, label_delimiter: str | None) -> None:
    """Write rows as a CSV that `read_table` reads back: path, label, split, sha256, note; group where there are groups.

    Raises FileExistsError where something stands at `table`; the file is written whole or not at all.
    """
    if os.path.lexists(table):
        raise FileExistsError(f"{table} is there already; give another name or move it away.")
    grouped = any(row.coarse_label for row in rows)
    with atomic_write_text(table) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow((*_COLUMNS, COARSE_COLUMN) if grouped else _COLUMNS)
        for row in rows:
            label = (label_delimiter or "").join(sorted(row.labels, key=natural_key))
            cells = (row.path, label, row.split, row.sha256 or "", _one_line(row.note))
            writer.writerow((*cells, row.coarse_label) if grouped else cells)


def _records(table: Path, columns: Columns) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Row number (the header is row 1) and cells by column, for every row that is not blank."""
    number = 1
    try:
        # Bytes that are not UTF-8 become lone surrogates, so that the row they stand in can be named.
        with table.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            delimiter = _delimiter(file.readline(), columns)
            file.seek(0)
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            names = [name.strip() for name in next(reader, [])]
            _require_columns(table, names, columns)
            for number, cells in enumerate(reader, start=2):
                if len(cells) > len(names):
                    raise CatalogError(
                        f"{table}, row {number}: there are {len(cells)} fields, the header has {len(names)}; put "
                        "fields that hold the delimiter between double quotes."
                    )
                if any(cells):
                    yield number, dict(zip(names, [*cells, *[""] * (len(names) - len(cells))], strict=True))
    except csv.Error as error:
        raise CatalogError(
            f"{table}, after row {number}: this is not CSV ({error}); check the double quotes."
        ) from error
    except OSError as error:
        raise CatalogError(f"{table}: the table cannot be read ({error.strerror}).") from error


def _delimiter(header: str, columns: Columns) -> str:
    """Comma, unless only with a semicolon or a tab the header has the columns that are needed."""
    for delimiter in (",", ";", "\t"):
        names = {name.strip() for name in next(csv.reader([header], delimiter=delimiter), [])}
        if {columns.path, columns.label} <= names:
            return delimiter
    return ","


def _require_columns(table: Path, names: Sequence[str], columns: Columns) -> None:
    options = {"--path-column": columns.path, "--label-column": columns.label, "--group-column": columns.group}
    for option, name in options.items():
        if name is not None and name not in names:
            found = first_few([ascii(found) for found in names], most=20) if any(names) else "none"
            raise CatalogError(f"{table}: there is no column {name!r} (found: {found}); name it with {option}.")
    for name in filter(None, (*options.values(), "split", "sha256", "note")):
        if names.count(name) > 1:
            raise CatalogError(f"{table}: the column {name!r} stands twice in the header; rename one.")


def _row(cells: Mapping[str, str], *, base: Path, columns: Columns, where: str) -> Row:
    path, label = cells[columns.path], cells[columns.label]
    if not path.strip():
        raise CatalogError(f"{where}: the path is empty; name an image, or take the row out.")
    if unwritable(path):
        raise CatalogError(
            f"{where}: the path {path!a} holds a control character or bytes that are not UTF-8; save the table as "
            "UTF-8, or rename the image."
        )
    if columns.label_delimiter is None:
        labels = frozenset({clean_label(label, where=where)})
    else:
        labels = split_labels(label, delimiter=columns.label_delimiter, where=where)
    digest = cells.get("sha256", "").strip().casefold()
    return Row(
        path=_relative(path, base),
        labels=labels,
        split=_side(cells.get("split", "train"), where=where),
        sha256=digest if _SHA256.fullmatch(digest) else None,
        coarse_label=_group(cells, columns, where=where),
        note=_one_line(cells.get("note", "")),
    )


def _group(cells: Mapping[str, str], columns: Columns, *, where: str) -> str:
    if columns.group is None:
        return ""
    if not cells[columns.group].strip():
        raise CatalogError(f"{where}: the group is empty; give every image the group of its class.")
    return clean_label(cells[columns.group], where=f"{where}, column {columns.group!r}")


def _relative(path: str, base: Path) -> str:
    if not posixpath.isabs(path):
        return posixpath.normpath(path)
    real = Path(path).parent.resolve() / posixpath.basename(path)  # as `base` is, so that the two can be compared
    return os.path.relpath(real, base)


def _side(text: str, *, where: str) -> Split:
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
            "mend the paths, or name the folder that they start from with --root."
        )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name too long, a folder that may not be entered
        return False
