from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from service.inputs import InputError, Record, is_table, read_records

REQUIRED = {"path_column": "path", "label_column": "label"}


def read(table: Path) -> list[Record]:
    return list(read_records(table, required=REQUIRED))


def test_a_table_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere.csv: the table cannot be read \(No such file"):
        read(tmp_path / "nowhere.csv")


def test_a_table_is_recognised_by_its_suffix(tmp_path: Path) -> None:
    assert is_table(tmp_path / "x.csv")
    assert is_table(tmp_path / "x.TSV")
    assert is_table(tmp_path / "x.jsonl")
    assert not is_table(tmp_path / "x.jpg")
    (tmp_path / "folder.csv").mkdir()
    assert not is_table(tmp_path / "folder.csv")


@pytest.mark.parametrize(
    ("name", "what"), [("x.xlsx", "save the sheet as CSV"), ("x.ODS", "as CSV"), ("x.json", ".jsonl")]
)
def test_a_table_of_another_kind_says_what_to_do(tmp_path: Path, name: str, what: str) -> None:
    (tmp_path / name).write_bytes(b"PK")
    with pytest.raises(InputError, match=f"{name}: tables of this kind are not read; .*{what}"):
        read(tmp_path / name)


@pytest.mark.parametrize("name", ["x.csv", "x.jsonl"])
def test_memory_does_not_grow_with_the_table(tmp_path: Path, name: str) -> None:
    start, row = (
        ("path,label\n", "cat/{0}.jpg,cat\n") if name == "x.csv" else ("", '{{"path": "{0}", "label": "cat"}}\n')
    )
    (tmp_path / name).write_text(start + "".join(row.format(number) for number in range(20_000)))
    tracemalloc.start()
    count = sum(1 for _ in read_records(tmp_path / name, required=REQUIRED))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 20_000
    assert peak < 400_000  # the rows take more than 6 MB
