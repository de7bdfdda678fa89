from __future__ import annotations

import pytest

from trainer.report.formatting import compact, duration, humanize, percent


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (True, "yes"),
        (1234567, "1,234,567"),
        (0.1234567, "0.1235"),
        ({"macro_f1": 0.5, "images": 1200}, "macro f1 0.5, images 1,200"),
        (list("abcdefghij"), "a, b, c, d, e, f, g, h and 2 more"),
        ("text", "text"),
    ],
)
def test_any_json_value_has_a_short_text(value: object, text: str) -> None:
    assert compact(value) == text


def test_names_fractions_and_durations() -> None:
    assert [humanize(name) for name in ("too-few-epochs", "macro_f1")] == ["Too few epochs", "Macro F1"]
    assert [percent(0.868), percent(0.868, 0), percent(None)] == ["86.8\xa0%", "87\xa0%", "–"]
    assert [duration(s) for s in (6.78, 668, 7300)] == ["6.8\xa0s", "11\xa0min 8\xa0s", "2\xa0h 1\xa0min"]
