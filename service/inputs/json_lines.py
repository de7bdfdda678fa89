"""JSON lines: one object for each image."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from service.inputs.encoding import bounded_lines, open_text, require_utf8
from service.inputs.errors import InputError
from service.inputs.record import Cell, Record, Wanted

_EXAMPLE = '{"path": "cat/1.jpg", "label": "cat"}'


def read_json_lines(table: Path, wanted: Wanted) -> Iterator[Record]:
    """Read JSON lines, and skip blank lines; see `read_records`. The first object says which columns there are."""
    columns: dict[str, str] | None = None
    with open_text(table) as file:
        for number, line in enumerate(bounded_lines(file, table), start=1):
            if not line.strip():
                continue
            where = f"{table}, line {number}"
            require_utf8(line, where=where)
            values = _parse(line, where=where)
            if columns is None:
                columns = wanted.choose(list(values))
            yield Record(
                number=number,
                cells={asked: _cell(values.get(name), where=where, name=name) for asked, name in columns.items()},
            )
    if columns is None:
        wanted.choose([])


def _parse(line: str, *, where: str) -> dict[str, Any]:
    """Return the object of a line. Numbers are the text that is written."""

    def collect(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        values = dict(pairs)
        if len(values) < len(pairs):
            raise InputError(f"{where}: a key is there twice; remove one.")
        return values

    try:
        values = json.loads(line, object_pairs_hook=collect, parse_int=str, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: this is not JSON ({error}); give one object in each line.") from error
    if not isinstance(values, dict):
        raise InputError(f"{where}: this is not an object; give one in each line, such as {_EXAMPLE}.")
    return values


def _cell(value: Any, *, where: str, name: str) -> Cell:
    if isinstance(value, list):
        return tuple(_text(item, where=where, name=name) for item in value)
    return _text(value, where=where, name=name)


def _text(value: Any, *, where: str, name: str) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str):
        _refuse(where, name)
    return value


def _refuse(where: str, name: str) -> NoReturn:
    raise InputError(f"{where}: {name!a} is neither text nor a number nor a list of these; write it as one of them.")
