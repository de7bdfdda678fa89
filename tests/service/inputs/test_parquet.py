from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from service.inputs import Cell, InputError, Record, is_table, read_records

REQUIRED = {"path_column": "path", "label_column": "label"}


def read(table: Path) -> list[Record]:
    return list(read_records(table, required=REQUIRED, optional=("split",)))


def write(path: Path, columns: dict[str, Any], *, features: object = None) -> Path:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pyarrow.table(columns)
    if features is not None:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    parquet.write_table(table, path)
    return path


@pytest.mark.parametrize(
    ("labels", "cells"),
    [
        (["a", None], ["a", ""]),
        ([7, 8], ["7", "8"]),
        ([True, False], ["true", "false"]),
        ([float("nan"), 1.5], ["nan", "1.5"]),
        ([["a", "b"], []], [("a", "b"), ()]),
    ],
)
def test_rows(tmp_path: Path, labels: list[Any], cells: list[Cell]) -> None:
    table = write(tmp_path / "x.parquet", {"path": ["1.jpg", "2.jpg"], "other": [b"", b""], "Label": labels})
    assert read(table) == [
        Record(number=1, cells={"path": "1.jpg", "label": cells[0]}),
        Record(number=2, cells={"path": "2.jpg", "label": cells[1]}),
    ]


def test_text_of_other_types(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    texts = pyarrow.array(["a", "b", "a"])
    columns = {"path": texts.cast(pyarrow.large_string()), "label": texts.dictionary_encode()}
    assert [record.cells["label"] for record in read(write(tmp_path / "x.pq", columns))] == ["a", "b", "a"]


def test_many_rows(tmp_path: Path) -> None:
    names = [str(number) for number in range(5_000)]
    found = read(write(tmp_path / "x.parquet", {"path": names, "label": names}))
    assert [record.cells["label"] for record in found] == names
    assert found[-1].number == 5_000


def test_the_names_of_classes_of_hugging_face(tmp_path: Path) -> None:
    names = {"names": ["cat", "dog"], "_type": "ClassLabel"}
    columns = {"path": ["1", "2", "3"], "label": [1, 0, -1]}
    one = write(tmp_path / "x.parquet", columns, features={"label": names, "path": {"dtype": "string"}})
    assert [record.cells["label"] for record in read(one)] == ["dog", "cat", ""]
    several = write(
        tmp_path / "y.parquet",
        {"path": ["1", "2"], "label": [[0, 1], [1]]},
        features={"label": {"feature": names, "_type": "Sequence"}},
    )
    assert [record.cells["label"] for record in read(several)] == [("cat", "dog"), ("dog",)]


@pytest.mark.parametrize("features", [7, {"label": 7}, {"label": {"_type": "ClassLabel"}}, {"label": {"names": 3}}])
def test_strange_features_are_ignored(tmp_path: Path, features: object) -> None:
    table = write(tmp_path / "x.parquet", {"path": ["1"], "label": [1]}, features=features)
    assert read(table)[0].cells["label"] == "1"


@pytest.mark.parametrize("images", [[{"bytes": b"\xff\xd8", "path": "1.jpg"}], [b"\xff\xd8"]])
def test_images_in_the_table_are_refused(tmp_path: Path, images: list[Any]) -> None:
    table = write(tmp_path / "x.parquet", {"path": images, "label": [1]})
    with pytest.raises(InputError, match=r"x.parquet: the column 'path' holds the images themselves, .* as files"):
        read(table)


def test_a_column_of_something_else(tmp_path: Path) -> None:
    table = write(tmp_path / "x.parquet", {"path": ["1"], "label": [[["a"]]]})
    with pytest.raises(InputError, match=r"x.parquet, row 1: .* is neither text nor a number"):
        read(table)


def test_missing_columns(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"x.parquet: there is no column 'label' \(found: 'path'\)"):
        read(write(tmp_path / "x.parquet", {"path": ["1"]}))


@pytest.mark.parametrize("keep", [0, 4, 200, -10])
def test_a_damaged_file(tmp_path: Path, keep: int) -> None:
    table = write(tmp_path / "x.parquet", {"path": ["1"], "label": ["a"]})
    table.write_bytes(table.read_bytes()[:keep])
    with pytest.raises(InputError, match=r"x.parquet: this is no Parquet file, or a damaged one"):
        read(table)


def test_without_the_extra_the_message_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    assert is_table(tmp_path / "x.parquet")
    with pytest.raises(InputError, match=r"x.parquet: Parquet needs an extra: pip install"):
        read(tmp_path / "x.parquet")
