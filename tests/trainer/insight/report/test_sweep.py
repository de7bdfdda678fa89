from __future__ import annotations

from pathlib import Path

from tests.trainer.insight.report.conftest import flat, steep
from trainer.fitting.rate_search.found_rate import write_found
from trainer.insight.report.sweep import draw_sweeps


def test_every_mark_and_the_whole_curve_lie_in_the_chart(tmp_path: Path) -> None:
    """The minimum / 10 of a curve that is least at its beginning lay outside."""
    write_found(tmp_path / "lr_find.json", {"head": steep(), "whole": flat()})
    charts = draw_sweeps(tmp_path / "lr_find.json")
    assert len(charts) == 2
    for chart in charts:
        assert len(chart.marks) == 4
        for rate in (*(mark.x for mark in chart.marks), *(x for line in chart.lines for x, _ in line.points)):
            assert 0 <= chart.x.place(rate) <= 100
