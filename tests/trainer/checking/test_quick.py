from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest

from trainer.catalog import Row
from trainer.checking.quick import quick_warnings
from trainer.data.cache import Original


def rows(*contents: str, label: str = "a") -> list[Row]:
    return [
        Row(
            path=f"{label}/{number}.jpg",
            labels=frozenset({label}),
            split="train",
            sha256=hashlib.sha256(content.encode()).hexdigest(),
        )
        for number, content in enumerate(contents)
    ]


def warnings(found: Sequence[Row], originals: Sequence[Original] = ()) -> list[str]:
    return list(quick_warnings(found, originals, data="my photos"))


def test_different_images() -> None:
    assert warnings([]) == []
    assert warnings([*rows("1", "2"), *rows("3", "4", label="b")]) == []


def test_one_line_for_all_duplicates() -> None:
    found = [*rows("1", "1", "2", "3"), *rows("2", "4", label="b"), *rows("5", "5", "5", label="c")]
    assert warnings(found) == [  # the catalog reports a/2.jpg = b/0.jpg, and that c has one picture only
        "5 images are exact duplicates, in 2 groups (a/0.jpg = a/1.jpg, c/0.jpg = c/1.jpg); "
        "`check('my photos')` shows more.",
    ]


@pytest.mark.parametrize("known", [True, False])
def test_a_class_that_the_format_predicts(known: bool) -> None:
    """If some formats are not known, nothing is said about formats: the others may have the same one."""
    found = [*rows(*map(str, range(40))), *rows(*map(str, range(100, 140)), label="b")]
    originals = [Original("PNG", 60, 40)] * 40 + [Original("JPEG" if known else "", 60, 40)] * 40
    lines = warnings(found, originals)
    assert len(lines) == known
    assert not known or "'a': all 40 images of it have the format PNG, and none of the 40 others" in lines[0]


def test_rows_without_hashes_are_no_duplicates() -> None:
    row = Row(path="a/1.jpg", labels=frozenset({"a"}), split="train")
    assert warnings([row, row]) == []
