from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.report.axis import Axis, axis_over

numbers = st.floats(-1e9, 1e9, allow_nan=False).filter(lambda value: value == 0 or abs(value) > 1e-9)


@given(st.lists(numbers, min_size=1))
def test_every_value_lies_on_the_axis_and_a_few_ticks_do(values: list[float]) -> None:
    axis = axis_over(values)
    assert all(0 <= axis.place(value) <= 100 for value in values)
    ticks = axis.ticks()
    assert 2 <= len(ticks) <= 8
    assert all(-1e-3 <= place <= 100.001 for place, _ in ticks)
    assert [place for place, _ in ticks] == sorted(place for place, _ in ticks)


@pytest.mark.parametrize(
    ("axis", "texts"),
    [
        (Axis(low=0.31, high=1.42), ["0.4", "0.6", "0.8", "1", "1.2", "1.4"]),
        (Axis(low=0.74, high=1.0, kind="share"), ["75\xa0%", "80\xa0%", "85\xa0%", "90\xa0%", "95\xa0%", "100\xa0%"]),
        (Axis(low=0.93, high=1.02, kind="share"), ["94\xa0%", "96\xa0%", "98\xa0%", "100\xa0%"]),
        (Axis(low=1.0961, high=1.0986), ["1.0965", "1.097", "1.0975", "1.098", "1.0985"]),
        (Axis(low=0, high=4e-5), ["0", "1e-5", "2e-5", "3e-5", "4e-5"]),
        (Axis(low=1e-7, high=10, kind="log"), ["1e-7", "1e-5", "0.001", "0.1", "10"]),
        (Axis(low=0, high=2, kind="count"), ["0", "1", "2"]),
    ],
)
def test_ticks_are_round(axis: Axis, texts: list[str]) -> None:
    assert [text for _, text in axis.ticks()] == texts


def test_places() -> None:
    assert Axis(low=1e-4, high=1, kind="log").place(1e-2) == 50
    assert Axis(low=2, high=4).place(3.5) == 75
    assert axis_over([0.99, 1.0], low=0, high=1).high == 1
