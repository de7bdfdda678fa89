"""Parquet, with the extra `parquet`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from service.inputs.errors import InputError
from service.inputs.files import open_file
from service.inputs.record import Cell, Record, Wanted

_ROWS = 1_024  # read at the same time


def read_parquet(table: Path, wanted: Wanted) -> Iterator[Record]:
    """Read a Parquet file; see `read_records`.

    Columns hold text, numbers or lists of these. Numbers that stand for class names in a data set of Hugging Face
    (`ClassLabel`) are replaced by the names. Images that are in the table itself are not read.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise InputError(f"{table}: Parquet needs an extra: pip install 'fieldguide[parquet]'.") from error
    try:
        with open_file(table) as file, parquet.ParquetFile(file) as content:
            schema = content.schema_arrow
            columns = wanted.choose(schema.names)
            for asked, name in columns.items():
                _require_plain(table, asked, name, schema.field(name).type)
            names = _class_names(schema.metadata)
            number = 0
            for batch in content.iter_batches(batch_size=_ROWS, columns=sorted({*columns.values()})):
                values = {name: batch.column(name).to_pylist() for name in columns.values()}
                for row in range(batch.num_rows):
                    number += 1
                    where = f"{table}, row {number}"
                    yield Record(
                        number=number,
                        cells={
                            asked: _cell(values[name][row], names.get(name, ()), where=where)
                            for asked, name in columns.items()
                        },
                    )
    except pyarrow.ArrowException as error:
        raise InputError(
            f"{table}: this is no Parquet file, or a damaged one ({_line(error)}); get it again."
        ) from error


def _require_plain(table: Path, asked: str, name: str, kind: Any) -> None:
    from pyarrow import types

    if types.is_struct(kind) or types.is_binary(kind) or types.is_large_binary(kind):
        raise InputError(
            f"{table}: the column {name!a} holds the images themselves, which are not read from a table; write them as "
            f"files (each row of a data set of Hugging Face has an image with `save`), and name the column of their "
            f"paths, which was {asked!a} here."
        )


def _class_names(metadata: Mapping[bytes, bytes] | None) -> dict[str, Sequence[str]]:
    """Column -> names of its classes, from what Hugging Face's `datasets` writes beside the schema."""
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"].items()
        kinds = {name: kind.get("feature", kind) if isinstance(kind, dict) else {} for name, kind in features}
        return {
            name: [str(label) for label in kind["names"]]
            for name, kind in kinds.items()
            if isinstance(kind, dict) and kind.get("_type") == "ClassLabel"
        }
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError):
        return {}


def _cell(value: Any, names: Sequence[str], *, where: str) -> Cell:
    if isinstance(value, list):
        return tuple(_text(item, names, where=where) for item in value)
    return _text(value, names, where=where)


def _text(value: Any, names: Sequence[str], *, where: str) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and names:
        return names[value] if 0 <= value < len(names) else ""  # -1 stands for no label
    if not isinstance(value, (str, int, float)):
        raise InputError(f"{where}: {str(value)[:40]!a} is neither text nor a number; write it as one of them.")
    return str(value)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
