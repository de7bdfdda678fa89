from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.inputs import unwritable
from tests.trainer.catalog.files import bears, put, table
from trainer.catalog import COARSE_COLUMN, Columns, ReadOptions, read_catalog
from trainer.catalog.labels import clean_label, natural_key, split_labels
from trainer.errors import CatalogError

COARSE = Columns(coarse="coarse")
HEADER = ["path", "label", "coarse"]
ROWS = [
    ["1.jpg", "Gala", "Apple"],
    ["2.jpg", "Gala", "Apple"],
    ["3.jpg", "Fuji", "Apple"],
    ["4.jpg", "Fuji", " Apple "],
    ["5.jpg", "Oat", "Milk"],
    ["6.jpg", "Oat", "Milk"],
]


def test_labels_are_trimmed_and_composed() -> None:
    assert clean_label("  cafe\u0301 bar\t", where="here") == "café bar"


@pytest.mark.parametrize("text", ["", "  ", "\t\n", "\u00a0"])
def test_an_empty_label_is_refused_and_the_message_says_where(text: str) -> None:
    with pytest.raises(CatalogError, match=r"^bears.csv, row 3: the label is empty"):
        clean_label(text, where="bears.csv, row 3")


@pytest.mark.parametrize("text", ["a\x00b", "a\nb", "a\x1b[31m", "a\x7fb", "a\x85b", "caf\udce9"])
def test_control_characters_and_broken_bytes_are_refused(text: str) -> None:
    with pytest.raises(
        CatalogError, match=r"^here: the label .* control character or bytes that are not UTF-8"
    ) as info:
        clean_label(text, where="here")
    assert not unwritable(str(info.value))  # the message itself can be printed


def test_emoji_and_joiners_are_labels() -> None:
    family = "👩\u200d👧"
    assert clean_label(family, where="here") == family


def test_a_cell_of_labels() -> None:
    assert split_labels(" a; b;;a ; ", delimiter=";", where="here") == {"a", "b"}
    assert split_labels("haze primary", delimiter=" ", where="here") == {"haze", "primary"}
    assert split_labels("  ", delimiter=";", where="here") == frozenset()
    with pytest.raises(CatalogError, match="here"):
        split_labels("a;b\x00", delimiter=";", where="here")


def test_natural_order() -> None:
    names = ["10", "9", "2", "b2", "B10", "a", "C", "1", "01", "0", "img-12b", "img-2z", "9" * 5000]
    assert sorted(names, key=natural_key) == [
        "0", "01", "1", "2", "9", "10", "9" * 5000, "a", "b2", "B10", "C", "img-2z", "img-12b",
    ]  # fmt: skip


@settings(deadline=None)
@given(st.lists(st.text(alphabet="0123aAéß٣²-", max_size=6), unique=True))
def test_natural_order_does_not_depend_on_the_order_before(names: list[str]) -> None:
    expected = sorted(names, key=natural_key)
    names.reverse()
    assert sorted(names, key=natural_key) == expected
    assert len({natural_key(name) for name in names}) == len(names)


@settings(deadline=None)
@given(st.text())
def test_a_clean_label_stays_as_it_is(text: str) -> None:
    try:
        label = clean_label(text, where="here")
    except CatalogError:
        return
    assert clean_label(label, where="here") == label
    assert unicodedata.is_normalized("NFC", label)


def test_every_class_has_its_coarse_label(tmp_path: Path) -> None:
    catalog = read_catalog(table(tmp_path / "x.csv", HEADER, ROWS), ReadOptions(columns=COARSE, valid_fraction=0.4))
    assert catalog.classes == ("Fuji", "Gala", "Oat")
    assert catalog.coarse_labels == ("Apple", "Milk")
    assert catalog.coarse_indices.tolist() == [0, 0, 1]
    assert {row.coarse_label for row in catalog.split("valid")} <= {"Apple", "Milk"}


def test_coarse_labels_are_read_on_request_only(tmp_path: Path) -> None:
    catalog = read_catalog(table(tmp_path / "x.csv", HEADER, ROWS))
    assert catalog.coarse_labels == ()
    assert catalog.coarse_indices.shape == (0,)
    catalog.write_csv(tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text().startswith("path,label,split,sha256,note\n")


def test_coarse_labels_are_written_and_read_back(tmp_path: Path) -> None:
    catalog = read_catalog(table(tmp_path / "x.csv", HEADER, ROWS), ReadOptions(columns=COARSE))
    catalog.write_csv(tmp_path / "out.csv")
    again = read_catalog(tmp_path / "out.csv", ReadOptions(columns=Columns(coarse=COARSE_COLUMN)))
    assert again.rows == catalog.rows
    assert again.coarse_labels == catalog.coarse_labels


def test_a_coarse_label_is_removed_with_its_last_class(tmp_path: Path) -> None:
    catalog = read_catalog(table(tmp_path / "x.csv", HEADER, ROWS), ReadOptions(columns=COARSE))
    left = catalog.without([row for row in catalog.rows if row.coarse_label == "Milk"])
    assert left.coarse_labels == ("Apple",)
    assert left.coarse_indices.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (
            [*ROWS, ["7.jpg", "Fuji", "Pear"]],
            r"x.csv: the class 'Fuji' has .* 'Apple' \(row 4, row 5\) and 'Pear' \(row 8\); give every class one",
        ),
        (
            [*ROWS, ["7.jpg", "Gala", "Pear"], ["8.jpg", "Oat", "Pear"]],
            r"'Gala' has .* 'Apple' \(row 2, row 3\) and 'Pear' \(row 8\) \(and 1 more classes have several\)",
        ),
        ([*ROWS, ["6.jpg", "Oat", "Pear"]], r"'Oat' has .* 'Milk' \(row 6, row 7\) and 'Pear' \(row 8\)"),
        ([*ROWS, ["7.jpg", "Oat", " "]], "x.csv, row 8: the coarse label is empty"),
        ([*ROWS, ["7.jpg", "Oat", "M\x07"]], "x.csv, row 8, column 'coarse': the label .* control character"),
    ],
)
def test_a_wrong_coarse_label_is_reported_with_its_rows(tmp_path: Path, rows: list[list[str]], sentence: str) -> None:
    with pytest.raises(CatalogError, match=sentence):
        read_catalog(table(tmp_path / "x.csv", HEADER, rows), ReadOptions(columns=COARSE))


def test_two_tables_must_agree(tmp_path: Path) -> None:
    first = table(tmp_path / "x.csv", HEADER, ROWS)
    second = table(tmp_path / "y.csv", HEADER, [["9.jpg", "Oat", "Grain"]])
    with pytest.raises(
        CatalogError, match=r"'Oat' has the coarse labels 'Milk' \(5.jpg, 6.jpg\) and 'Grain' \(9.jpg\)"
    ):
        read_catalog(first, ReadOptions(columns=COARSE), valid=second)


def test_data_that_cannot_have_coarse_labels(tmp_path: Path) -> None:
    csv = table(tmp_path / "x.csv", HEADER, ROWS)
    with pytest.raises(CatalogError, match=r"no column 'kind' \(found: 'path', 'label', 'coarse'\); .*`coarse_column`"):
        read_catalog(csv, ReadOptions(columns=Columns(coarse="kind")))
    with pytest.raises(CatalogError, match="coarse labels need images with one label each; leave out `coarse_column`"):
        read_catalog(csv, ReadOptions(columns=Columns(coarse="coarse", label_delimiter=";")))
    with pytest.raises(CatalogError, match="this is a folder; coarse labels are read from a column, and need a CSV"):
        read_catalog(bears(tmp_path / "bears"), ReadOptions(columns=COARSE))
    with pytest.raises(CatalogError, match="this is a folder; coarse labels"):
        read_catalog(csv, ReadOptions(columns=COARSE), valid=put(tmp_path / "v", "Oat/1.jpg"))
