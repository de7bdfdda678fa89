from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.report.chart import Axis, Chart, Mark, fit_axis

numbers = st.floats(-1e9, 1e9, allow_nan=False).filter(lambda value: value == 0 or abs(value) > 1e-9)


@given(st.lists(numbers, min_size=1))
def test_all_values_and_a_few_ticks_are_on_the_axis(values: list[float]) -> None:
    axis = fit_axis(values)
    assert all(0 <= axis.percent(value) <= 100 for value in values)
    positions = [percent for percent, _ in axis.ticks()]
    assert 2 <= len(positions) <= 8
    assert all(-1e-3 <= percent <= 100.001 for percent in positions)
    assert positions == sorted(positions)


@pytest.mark.parametrize(
    ("axis", "texts"),
    [
        (Axis(low=0.31, high=1.42), ["0.4", "0.6", "0.8", "1", "1.2", "1.4"]),
        (
            Axis(low=0.74, high=1.0, scale="fraction"),
            ["75\xa0%", "80\xa0%", "85\xa0%", "90\xa0%", "95\xa0%", "100\xa0%"],
        ),
        (Axis(low=0.93, high=1.02, scale="fraction"), ["94\xa0%", "96\xa0%", "98\xa0%", "100\xa0%"]),
        (Axis(low=1.0961, high=1.0986), ["1.0965", "1.097", "1.0975", "1.098", "1.0985"]),
        (Axis(low=0, high=4e-5), ["0", "1e-5", "2e-5", "3e-5", "4e-5"]),
        (Axis(low=1e-7, high=10, scale="log"), ["1e-7", "1e-5", "0.001", "0.1", "10"]),
        (Axis(low=0, high=2, scale="count"), ["0", "1", "2"]),
    ],
)
def test_ticks_are_round(axis: Axis, texts: list[str]) -> None:
    assert [text for _, text in axis.ticks()] == texts


def test_positions_on_an_axis() -> None:
    assert Axis(low=1e-4, high=1, scale="log").percent(1e-2) == 50
    assert Axis(low=2, high=4).percent(3.5) == 75
    assert fit_axis([0.99, 1.0], minimum=0, maximum=1).high == 1


@pytest.mark.parametrize(
    ("positions", "placed"),
    [
        ([], []),
        ([20, 10], [(10, False), (20, False)]),
        ([53, 50, 51], [(50, False), (51, False), (53, False)]),
        ([49, 57, 50], [(57, True), (50, True), (49, True)]),  # two lines crossed the text `minimum / 10` here
        ([90, 5, 80], [(5, False), (90, True), (80, True)]),
    ],
)
def test_no_line_of_a_mark_crosses_a_text(positions: list[float], placed: list[tuple[float, bool]]) -> None:
    axis = Axis(low=0, high=100)
    chart = Chart(
        title="", description="", x=axis, y=axis, x_name="", lines=(), marks=[Mark(text="", x=x) for x in positions]
    )
    assert [(found.percent, found.text_on_left) for found in chart.placed_marks] == placed
