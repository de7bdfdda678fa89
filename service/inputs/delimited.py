"""CSV, as spreadsheets write it."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from service.inputs.encoding import bounded_lines, open_text, require_utf8
from service.inputs.errors import InputError
from service.inputs.record import Record, Wanted

_DELIMITERS = (",", ";", "\t", "|")
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\r?\n?', re.IGNORECASE)  # tells Excel, and nobody else, the delimiter


def read_delimited(table: Path, wanted: Wanted) -> Iterator[Record]:
    """Read a CSV row by row, and skip blank rows; see `read_records`."""
    number = 0
    try:
        with open_text(table) as file:
            lines = bounded_lines(file, table)
            first = next(lines, "")
            separator = _SEPARATOR_LINE.fullmatch(first)
            if separator is None:
                lines = itertools.chain([first], lines)
            blank, header = _skip_blank(lines)
            delimiter = separator[1] if separator else _delimiter(header, wanted)
            reader = csv.reader(itertools.chain([header], lines), delimiter=delimiter, strict=True)
            names = [name.strip() for name in next(reader, [])]
            number = blank + 1
            columns = _choose(names, wanted)
            for number, cells in enumerate(reader, start=blank + 2):
                if any(cell.strip() for cell in cells[len(names) :]):
                    raise InputError(
                        f"{table}, row {number}: the row has {len(cells)} fields, the header has {len(names)}; put "
                        "double quotes around fields that contain the delimiter."
                    )
                if any(cells):
                    row = dict(zip(names, itertools.chain(cells, itertools.repeat("")), strict=False))
                    found = {asked: row[name] for asked, name in columns.items()}
                    require_utf8(*found.values(), where=f"{table}, row {number}")
                    yield Record(number=number, cells=found)
    except csv.Error as error:
        raise InputError(f"{table}, after row {number}: this is not CSV ({error}); check the double quotes.") from error


def _skip_blank(lines: Iterator[str]) -> tuple[int, str]:
    """Return how many rows without content come first, and the line after them."""
    for blank, line in enumerate(lines):
        if line.strip(' "\r\n' + "".join(_DELIMITERS)):
            return blank, line
    return 0, ""


def _delimiter(header: str, wanted: Wanted) -> str:
    """Return the delimiter with which the header has most of the columns: the first, if several have as many."""

    def count(delimiter: str) -> tuple[int, int]:
        names = next(csv.reader([header], delimiter=delimiter), [])
        recognised = wanted.recognised(names)
        return recognised, 0 if recognised else len(names)

    return max(_DELIMITERS, key=count)


def _choose(names: Sequence[str], wanted: Wanted) -> dict[str, str]:
    try:
        return wanted.choose(names)
    except InputError:
        require_utf8(*names, where=f"{wanted.table}, header")
        raise
