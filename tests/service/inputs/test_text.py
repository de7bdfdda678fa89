from __future__ import annotations

import pytest

from service.inputs import first_few, unwritable


@pytest.mark.parametrize("text", ["a\x00b", "a\nb", "a\x1b[31m", "a\x7fb", "a\x85b", "caf\udce9"])
def test_a_table_cannot_hold_control_characters_and_bytes_that_are_not_utf_8(text: str) -> None:
    assert unwritable(text)


@pytest.mark.parametrize("text", ["", "a b", "ü 熊 🐻", "👩\u200d👧", "\u00a0"])
def test_a_table_can_hold_any_other_text(text: str) -> None:
    assert not unwritable(text)


def test_first_few() -> None:
    assert first_few(["a", "b"]) == "a, b"
    assert first_few([str(number) for number in range(1007)]) == "0, 1, 2, 3, 4 and 1,002 more"
    assert first_few(["a", "b", "c"], most=2, separator=" | ") == "a | b and 1 more"
