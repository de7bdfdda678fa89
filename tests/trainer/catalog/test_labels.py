from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.catalog.errors import first_few
from trainer.catalog.labels import clean_label, natural_key, split_labels, unwritable
from trainer.errors import CatalogError


def test_labels_are_trimmed_and_composed() -> None:
    assert clean_label("  cafe\u0301 bar\t", where="here") == "café bar"


@pytest.mark.parametrize("text", ["", "  ", "\t\n", "\u00a0"])
def test_an_empty_label_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(CatalogError, match=r"^bears.csv, row 3: the label is empty"):
        clean_label(text, where="bears.csv, row 3")


@pytest.mark.parametrize("text", ["a\x00b", "a\nb", "a\x1b[31m", "a\x7fb", "a\x85b", "caf\udce9"])
def test_control_characters_and_broken_bytes_are_refused(text: str) -> None:
    with pytest.raises(
        CatalogError, match=r"^here: the label .* control character or bytes that are not UTF-8"
    ) as info:
        clean_label(text, where="here")
    assert not unwritable(str(info.value))  # the sentence itself can be printed


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
def test_natural_order_is_total_whatever_the_order_before(names: list[str]) -> None:
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


def test_first_few() -> None:
    assert first_few(["a", "b"]) == "a, b"
    assert first_few([str(number) for number in range(1007)]) == "0, 1, 2, 3, 4 and 1,002 more"
