"""The rows of a table as they are written: nothing here knows about labels or splits."""

from __future__ import annotations

import csv
import os
import posixpath
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from service.inputs.errors import InputError
from service.inputs.text import first_few, unwritable

_TABLE_SUFFIXES = (".csv", ".tsv")
_DELIMITERS = (",", ";", "\t")


@dataclass(frozen=True, kw_only=True)
class Record:
    """One row of a table.

    Attributes:
        number: Row number as a spreadsheet shows it: the header is row 1.
        cells: Column name -> text. Cells that are missing at the end of a row are empty.
    """

    number: int
    cells: Mapping[str, str]


def is_table(path: Path) -> bool:
    """Whether a path is a table, judged by its suffix. A folder is never a table."""
    return path.suffix.casefold() in _TABLE_SUFFIXES and not path.is_dir()


def read_records(table: Path, *, required: Mapping[str, str], optional: Sequence[str] = ()) -> Iterator[Record]:
    """Read a table row by row, and skip blank rows.

    The table is UTF-8, with or without byte order mark, and separated by comma, semicolon or tab. Bytes that are not
    UTF-8 become lone surrogates (PEP 383), so that the caller can name the row that contains them.

    Args:
        table: A CSV file with a header.
        required: Columns that must exist: name of the parameter that sets the column -> name of the column.
        optional: Further columns that are read if they exist. Like a required column, none may exist twice.

    Raises:
        InputError: The file cannot be read or is not CSV, a required column is missing, a column that is read exists
            twice, or a row has more fields than the header.
    """
    number = 1
    try:
        with table.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            delimiter = _delimiter(file.readline(), required.values())
            file.seek(0)
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            names = [name.strip() for name in next(reader, [])]
            _require_columns(table, names, required, optional)
            for number, cells in enumerate(reader, start=2):
                if len(cells) > len(names):
                    raise InputError(
                        f"{table}, row {number}: the row has {len(cells)} fields, the header has {len(names)}; put "
                        "double quotes around fields that contain the delimiter."
                    )
                if any(cells):
                    padded = [*cells, *[""] * (len(names) - len(cells))]
                    yield Record(number=number, cells=dict(zip(names, padded, strict=True)))
    except csv.Error as error:
        raise InputError(f"{table}, after row {number}: this is not CSV ({error}); check the double quotes.") from error
    except OSError as error:
        raise InputError(f"{table}: the table cannot be read ({error.strerror}).") from error


def relative_path(text: str, *, root: Path, where: str) -> str:
    """Return the path that a cell contains, relative to `root`, in POSIX form.

    Args:
        text: The cell: a path that is absolute or relative to `root`.
        root: A folder, absolute, with links resolved.
        where: Start of the error message: table and row.

    Returns:
        The normalised path. It starts with `..` if the file is outside of `root`.

    Raises:
        InputError: The cell is empty, or has a control character or bytes that are not UTF-8.
    """
    if not text.strip():
        raise InputError(f"{where}: the path is empty; name an image, or remove the row.")
    if unwritable(text):
        raise InputError(
            f"{where}: the path {text!a} has a control character or bytes that are not UTF-8; save the table as "
            "UTF-8, or rename the image."
        )
    if not posixpath.isabs(text):
        return posixpath.normpath(text)
    real = Path(text).parent.resolve() / posixpath.basename(text)  # resolved like `root`, to be comparable with it
    return os.path.relpath(real, root)


def _delimiter(header: str, columns: Collection[str]) -> str:
    """Return the delimiter with which the header has most of the columns: the comma, if several have as many."""

    def count(delimiter: str) -> int:
        names = {name.strip() for name in next(csv.reader([header], delimiter=delimiter), [])}
        return len(names.intersection(columns))

    return max(_DELIMITERS, key=count)


def _require_columns(table: Path, names: Sequence[str], required: Mapping[str, str], optional: Sequence[str]) -> None:
    for parameter, name in required.items():
        if name not in names:
            found = first_few([ascii(found) for found in names], most=20) if any(names) else "none"
            raise InputError(f"{table}: there is no column {name!r} (found: {found}); name it with `{parameter}`.")
    for name in (*required.values(), *optional):
        if names.count(name) > 1:
            raise InputError(f"{table}: the column {name!r} exists twice in the header; rename one.")
