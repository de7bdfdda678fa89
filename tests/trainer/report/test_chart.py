from __future__ import annotations

import pytest

from trainer.report.axis import Axis
from trainer.report.chart import Chart, Mark


@pytest.mark.parametrize(
    ("places", "flags"),
    [
        ([], []),
        ([20, 10], [(10, False), (20, False)]),
        ([53, 50, 51], [(50, False), (51, False), (53, False)]),
        ([49, 57, 50], [(57, True), (50, True), (49, True)]),  # `minimum / 10` was written over two lines here
        ([90, 5, 80], [(5, False), (90, True), (80, True)]),
    ],
)
def test_no_line_of_a_mark_runs_through_a_word(places: list[float], flags: list[tuple[float, bool]]) -> None:
    axis = Axis(low=0, high=100)
    chart = Chart(
        title="", says="", x=axis, y=axis, x_name="", lines=(), marks=[Mark(name="", x=place) for place in places]
    )
    assert [(place, left) for _, place, left in chart.flags] == flags
