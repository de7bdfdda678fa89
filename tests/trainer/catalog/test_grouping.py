from __future__ import annotations

from pathlib import Path

import pytest

from tests.trainer.catalog.files import bears, put, table
from trainer.catalog import COARSE_COLUMN, read_catalog
from trainer.errors import CatalogError

HEADER = ["path", "label", "coarse"]
ROWS = [
    ["1.jpg", "Gala", "Apple"],
    ["2.jpg", "Gala", "Apple"],
    ["3.jpg", "Fuji", "Apple"],
    ["4.jpg", "Fuji", " Apple "],
    ["5.jpg", "Oat", "Milk"],
    ["6.jpg", "Oat", "Milk"],
]


def test_every_class_has_its_group(tmp_path: Path) -> None:
    catalog = read_catalog(table(tmp_path / "x.csv", HEADER, ROWS), coarse_column="coarse", valid_fraction=0.4)
    assert catalog.classes == ("Fuji", "Gala", "Oat")
    assert catalog.coarse_labels == ("Apple", "Milk")
    assert catalog.coarse_indices.tolist() == [0, 0, 1]
    assert {row.coarse_label for row in catalog.split("valid")} <= {"Apple", "Milk"}


def test_nobody_who_did_not_ask_for_groups_gets_any(tmp_path: Path) -> None:
    catalog = read_catalog(table(tmp_path / "x.csv", HEADER, ROWS))
    assert catalog.coarse_labels == ()
    assert catalog.coarse_indices.shape == (0,)
    catalog.write_csv(tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text().startswith("path,label,split,sha256,note\n")


def test_groups_are_written_and_read_back(tmp_path: Path) -> None:
    catalog = read_catalog(table(tmp_path / "x.csv", HEADER, ROWS), coarse_column="coarse")
    catalog.write_csv(tmp_path / "out.csv")
    again = read_catalog(tmp_path / "out.csv", coarse_column=COARSE_COLUMN)
    assert again.rows == catalog.rows
    assert again.groups == catalog.coarse_labels


def test_a_class_that_is_left_out_takes_its_group_with_it(tmp_path: Path) -> None:
    catalog = read_catalog(table(tmp_path / "x.csv", HEADER, ROWS), coarse_column="coarse")
    left = catalog.without([row for row in catalog.rows if row.coarse_label == "Milk"])
    assert left.groups == ("Apple",)
    assert left.coarse_indices.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (
            [*ROWS, ["7.jpg", "Fuji", "Pear"]],
            r"x.csv: the class 'Fuji' is in 'Apple' \(row 4, row 5\) and in 'Pear' \(row 8\); give every class one",
        ),
        (
            [*ROWS, ["7.jpg", "Gala", "Pear"], ["8.jpg", "Oat", "Pear"]],
            r"'Gala' is in 'Apple' \(row 2, row 3\) and in 'Pear' \(row 8\) \(and 1 more classes are like it\)",
        ),
        ([*ROWS, ["6.jpg", "Oat", "Pear"]], r"'Oat' is in 'Milk' \(row 6, row 7\) and in 'Pear' \(row 8\)"),
        ([*ROWS, ["7.jpg", "Oat", " "]], "x.csv, row 8: the group is empty"),
        ([*ROWS, ["7.jpg", "Oat", "M\x07"]], "x.csv, row 8, column 'coarse': the label .* control character"),
    ],
)
def test_a_wrong_group_is_named_with_its_rows(tmp_path: Path, rows: list[list[str]], sentence: str) -> None:
    with pytest.raises(CatalogError, match=sentence):
        read_catalog(table(tmp_path / "x.csv", HEADER, rows), coarse_column="coarse")


def test_two_tables_must_agree(tmp_path: Path) -> None:
    first = table(tmp_path / "x.csv", HEADER, ROWS)
    second = table(tmp_path / "y.csv", HEADER, [["9.jpg", "Oat", "Grain"]])
    with pytest.raises(CatalogError, match=r"the class 'Oat' is in 'Milk' \(5.jpg, 6.jpg\) and in 'Grain' \(9.jpg\)"):
        read_catalog(first, valid=second, coarse_column="coarse")


def test_what_has_no_groups_is_said(tmp_path: Path) -> None:
    csv = table(tmp_path / "x.csv", HEADER, ROWS)
    with pytest.raises(CatalogError, match=r"no column 'kind' \(found: 'path', 'label', 'coarse'\); .* --group-column"):
        read_catalog(csv, coarse_column="kind")
    with pytest.raises(CatalogError, match="groups are of classes, of which an image has one"):
        read_catalog(csv, coarse_column="coarse", label_delimiter=";")
    with pytest.raises(CatalogError, match="this is a folder; groups are read from a column, and need a CSV"):
        read_catalog(bears(tmp_path / "bears"), coarse_column="coarse")
    with pytest.raises(CatalogError, match="this is a folder; groups"):
        read_catalog(csv, valid=put(tmp_path / "v", "Oat/1.jpg"), coarse_column="coarse")
