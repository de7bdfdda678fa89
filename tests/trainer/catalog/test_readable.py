from __future__ import annotations

import pytest

from trainer.catalog import Row, lost_classes, require_readable
from trainer.errors import CatalogError


def broken(count: int) -> dict[Row, str]:
    return {
        Row(path=f"{number}.jpg", labels=frozenset("a"), split="train"): f"reason {number}"
        for number in reversed(range(count))
    }


def test_a_tenth_may_be_broken() -> None:
    require_readable(100, broken(10))
    require_readable(100, {})
    require_readable(0, {})


def test_more_than_a_tenth_may_not() -> None:
    with pytest.raises(CatalogError) as info:
        require_readable(60, broken(7))
    assert str(info.value).startswith("7 of 60 images cannot be decoded, more than 10%; mend or remove them")
    assert "0.jpg: reason 0 | 1.jpg: reason 1 | " in str(info.value)
    assert str(info.value).endswith("4.jpg: reason 4 and 2 more")
    require_readable(60, broken(7), max_fraction=0.2)


def test_classes_are_lost_with_their_last_training_image() -> None:
    rows = [Row(path=f"{name}.jpg", labels=frozenset({name}), split="train") for name in ("10", "2", "kept")]
    other = Row(path="x.jpg", labels=frozenset({"x"}), split="valid")
    assert lost_classes([*rows, other], ("kept",)) == ("2", "10")
