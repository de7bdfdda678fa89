from __future__ import annotations

import json
from pathlib import Path

import pytest

from service.inputs import Cell, InputError, Record, read_records


def read(table: Path) -> list[Record]:
    required = {"path_column": "path", "label_column": "label"}
    return list(read_records(table, required=required, optional=("split",)))


def lines(path: Path, *values: object, encoding: str = "utf-8") -> Path:
    path.write_text("\n".join(json.dumps(value, ensure_ascii=False) for value in values), encoding=encoding)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_objects_are_rows(tmp_path: Path, encoding: str) -> None:
    table = lines(
        tmp_path / "x.jsonl",
        {"path": "ä.jpg", "label": "熊", "size": [1, 2]},
        {"label": "b", "path": "b"},
        encoding=encoding,
    )
    assert read(table) == [
        Record(number=1, cells={"path": "ä.jpg", "label": "熊"}),
        Record(number=2, cells={"path": "b", "label": "b"}),
    ]


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("7", "7"),
        ('"007"', "007"),
        ("1.50", "1.50"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("true", "true"),
        ("null", ""),
        ("NaN", "NaN"),
        ('["a", 2, "b;c"]', ("a", "2", "b;c")),
        ("[]", ()),
    ],
)  # fmt: skip
def test_values_are_read_as_they_are_written(tmp_path: Path, value: str, cell: Cell) -> None:
    table = tmp_path / "x.ndjson"
    table.write_text(f'\n{{"path": "a.jpg", "label": {value}}}\n\n')
    assert read(table) == [Record(number=2, cells={"path": "a.jpg", "label": cell})]


def test_a_key_that_is_missing_later_is_empty(tmp_path: Path) -> None:
    table = lines(tmp_path / "x.jsonl", {"path": "a", "label": "b", "split": "test"}, {"path": "c"})
    assert read(table)[1].cells == {"path": "c", "label": "", "split": ""}


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("[1]", "line 2: this is not an object"),
        ('{"path": "a"', "line 2: this is not JSON"),
        ("[" * 200_000, "line 2: this is not JSON"),
        ('{"path": "a", "path": "b", "label": "c"}', "line 2: a key is there twice"),
        ('{"path": "a", "label": {"name": "b"}}', "line 2: 'label' is neither text nor a number nor a list"),
        ('{"path": "a", "label": [["b"]]}', "line 2: 'label' is neither text nor a number nor a list"),
        ('{"path": "a", "label": "b' + "b" * (1 << 20) + '"}', "line 2: the line is longer"),
    ],
)
def test_a_broken_line_is_reported_with_its_number(tmp_path: Path, line: str, sentence: str) -> None:
    table = tmp_path / "x.jsonl"
    table.write_text(f'{{"path": "a", "label": "b"}}\n{line}\n')
    with pytest.raises(InputError, match=f"x.jsonl, {sentence}"):
        read(table)


def test_bytes_that_are_not_utf_8(tmp_path: Path) -> None:
    table = tmp_path / "x.jsonl"
    table.write_bytes('{"path": "a", "label": "café"}\n'.encode("cp1252"))
    with pytest.raises(InputError, match=r"x.jsonl, line 1: .*café.* has bytes that are not UTF-8"):
        read(table)


@pytest.mark.parametrize("content", ["", "\n", '{"file": "a"}'])
def test_missing_columns(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.jsonl").write_text(content)
    with pytest.raises(InputError, match=r"x.jsonl: there is no column 'path'"):
        read(tmp_path / "x.jsonl")
