from __future__ import annotations

from pathlib import Path

import pytest

from tests.trainer.catalog.files import bears, put, table
from trainer.catalog import Columns, ReadOptions, read_catalog
from trainer.catalog.cells import choose_delimiter, label_remarks, read_labels
from trainer.errors import CatalogError


@pytest.mark.parametrize(
    "word", ["NaN", "nan", "-nan", "<NA>", "#N/A", "#REF!", "#DIV/0!", "#NAME?", "\\N", " NaN ", "1.#QNAN"]
)
def test_what_programs_write_for_an_empty_cell_is_empty(tmp_path: Path, word: str) -> None:
    images = [["1.jpg", "a"], ["2.jpg", "b"], ["3.jpg", word], ["4.jpg", "a"], ["5.jpg", "b"]]
    csv = table(tmp_path / "x.csv", ["path", "label"], images)
    with pytest.raises(CatalogError, match=r"x.csv, row 4: the label is '.*', which programs write for an empty cell"):
        read_catalog(csv)
    catalog = read_catalog(csv, ReadOptions(columns=Columns(label_delimiter=";")))
    assert {row.path: row.labels for row in catalog.rows}["3.jpg"] == frozenset()
    assert (
        "x.csv: 1 rows have a word that programs write for an empty cell, and no label (row 4: " in catalog.remarks[0]
    )


@pytest.mark.parametrize("word", ["None", "none", "NA", "n/a", "NULL"])
def test_words_that_may_be_a_class_are_read_and_reported(tmp_path: Path, word: str) -> None:
    rows = [[f"{number}.jpg", label] for number, label in enumerate(["a", "a", word, word])]
    catalog = read_catalog(table(tmp_path / "x.csv", ["path", "label"], rows))
    assert set(catalog.classes) == {"a", word}
    assert f"x.csv: '{word}' is read as a class, though programs write it for an empty cell" in catalog.warnings[0]


def test_a_class_called_nan_survives_in_the_tables_that_are_written_here(tmp_path: Path) -> None:
    catalog = read_catalog(bears(tmp_path / "breads", each=3, classes=("naan", "nan", "pita")))
    catalog.write_csv(tmp_path / "x.csv")
    again = read_catalog(tmp_path / "x.csv", ReadOptions(root=tmp_path / "breads"))
    assert again.rows == catalog.rows
    assert "nan" in again.classes


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["007", "7", "8"], "stay different: '007' and '7'."),
        (["1", "1.0", "2", "02.00"], "stay different: '1' and '1.0', '2' and '02.00'."),
        (["-1", "-01"], "stay different: '-01' and '-1'."),
    ],
)
def test_numbers_that_are_written_in_different_ways_stay_different(
    tmp_path: Path, labels: list[str], said: str
) -> None:
    rows = [[f"{number}.jpg", label] for number, label in enumerate(labels * 2)]
    catalog = read_catalog(table(tmp_path / "x.csv", ["path", "label"], rows))
    assert set(catalog.classes) == set(labels)
    assert any(warning.endswith(said) for warning in catalog.warnings)


@pytest.mark.parametrize("labels", [["1", "10", "-1"], ["0", "a0", "0a"], ["1.5", "1"], ["cat 7", "cat 07"]])
def test_other_labels_are_not_reported(labels: list[str]) -> None:
    assert list(label_remarks(labels)) == []


def test_lists_of_labels() -> None:
    assert read_labels(("b", " a ", "", "NaN"), delimiter=None, where="x") == {"a", "b"}
    assert read_labels((), delimiter=";", where="x") == frozenset()
    with pytest.raises(CatalogError, match=r"x: the label 'a;b' has ';'; give another `label_delimiter`"):
        read_labels(("a;b",), delimiter=";", where="x")


def test_the_delimiter_of_labels_is_in_none_of_them() -> None:
    assert choose_delimiter(["a", "b,c"]) == ";"
    assert choose_delimiter(["a;b", "c|d"]) == ","
    with pytest.raises(CatalogError, match="remove one of these"):
        choose_delimiter([";|,/"])


def test_json_lines_with_lists_are_multilabel(tmp_path: Path) -> None:
    put(tmp_path, *(f"{number}.jpg" for number in range(4)))
    lines = ['["a", "b;c"]', '["a"]', "[]", '["b;c"]']
    text = "".join(f'{{"file_name": "{number}.jpg", "labels": {line}}}\n' for number, line in enumerate(lines))
    (tmp_path / "x.jsonl").write_text(text)
    catalog = read_catalog(tmp_path / "x.jsonl")
    assert (catalog.task, catalog.label_delimiter, catalog.classes) == ("multilabel", "|", ("a", "b;c"))
    catalog.write_csv(tmp_path / "y.csv")
    assert read_catalog(tmp_path / "y.csv", ReadOptions(columns=Columns(label_delimiter="|"))).rows == catalog.rows
    (tmp_path / "x.jsonl").write_text(text + '{"file_name": "9.jpg", "labels": "a"}\n')
    put(tmp_path, "9.jpg")
    with pytest.raises(CatalogError, match="the label is a list in row 1 and none in row 5; write a list in every row"):
        read_catalog(tmp_path / "x.jsonl")


def test_lists_in_one_of_two_sources(tmp_path: Path) -> None:
    put(tmp_path, *(f"{number}.jpg" for number in range(4)))
    (tmp_path / "x.jsonl").write_text('{"path": "0.jpg", "label": ["a"]}\n{"path": "1.jpg", "label": ["b"]}\n')
    (tmp_path / "y.csv").write_text("path,label\n2.jpg,a\n")
    with pytest.raises(CatalogError, match=r"x.jsonl and .*y.csv: the label is a list in only one of them"):
        read_catalog(tmp_path / "x.jsonl", valid=tmp_path / "y.csv")


def test_one_label_in_json_lines(tmp_path: Path) -> None:
    put(tmp_path, *(f"{number}.jpg" for number in range(4)))
    (tmp_path / "x.jsonl").write_text("".join(f'{{"path": "{n}.jpg", "label": {n % 2}}}\n' for n in range(4)))
    catalog = read_catalog(tmp_path / "x.jsonl")
    assert (catalog.task, catalog.classes) == ("classification", ("0", "1"))
