"""The rows of a table as they are written: nothing here knows about labels or splits."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

from service.inputs.delimited import read_delimited
from service.inputs.errors import InputError
from service.inputs.json_lines import read_json_lines
from service.inputs.parquet import read_parquet
from service.inputs.record import Record, Wanted

_READERS = {
    **dict.fromkeys((".csv", ".tsv", ".tab", ".txt"), read_delimited),  # Excel writes "Unicode text" as .txt
    **dict.fromkeys((".jsonl", ".ndjson"), read_json_lines),
    **dict.fromkeys((".parquet", ".pq"), read_parquet),
}
# What is a table, but not one that is read: suffix -> what to do.
_OTHER_TABLES = {
    **dict.fromkeys((".xls", ".xlsx", ".xlsm", ".ods", ".numbers"), "save the sheet as CSV, in UTF-8"),
    ".json": "write one object in each line, and call it .jsonl",
}


def is_table(path: Path) -> bool:
    """Whether a path is a table, judged by its suffix. A folder is never a table."""
    return path.suffix.casefold() in {*_READERS, *_OTHER_TABLES} and not path.is_dir()


def read_records(
    table: Path,
    *,
    required: Mapping[str, str],
    optional: Sequence[str] = (),
    synonyms: Mapping[str, Collection[str]] | None = None,
    on_columns: Callable[[Mapping[str, str]], None] = lambda _: None,
) -> Iterator[Record]:
    """Read a table row by row, and skip blank rows. Memory does not grow with the table.

    A CSV is UTF-8, with or without byte order mark, or UTF-16; separated by comma, semicolon, tab or `|`. A first line
    `sep=;`, and empty fields beyond those of the header, are ignored. JSON lines (.jsonl) have one object in each line.
    Parquet (.parquet) needs the extra `parquet`.

    Args:
        table: A CSV with a header, JSON lines, or Parquet.
        required: See `Wanted`.
        optional: See `Wanted`.
        synonyms: See `Wanted`.
        on_columns: See `Wanted`.

    Raises:
        InputError: The file cannot be read, is not what its suffix says, or has bytes that are not UTF-8 in a column
            that is read; a required column is missing or ambiguous, a column that is read exists twice, or a row has
            more fields than the header.
    """
    wanted = Wanted(table=table, required=required, optional=optional, synonyms=synonyms or {}, on_columns=on_columns)
    suffix = table.suffix.casefold()
    if suffix in _OTHER_TABLES:
        raise InputError(f"{table}: tables of this kind are not read; {_OTHER_TABLES[suffix]}.")
    try:
        yield from _READERS.get(suffix, read_delimited)(table, wanted)
    except OSError as error:
        raise InputError(f"{table}: the table cannot be read ({error.strerror}).") from error
