from __future__ import annotations

from pathlib import Path

from tests.trainer.report.conftest import flat, steep
from trainer.report.lr_find_charts import draw_sweeps
from trainer.training.lr_find.result import write_lr_find


def test_every_mark_and_the_whole_curve_lie_in_the_chart(tmp_path: Path) -> None:
    """The minimum / 10 of a curve that is least at its beginning lay outside."""
    write_lr_find(tmp_path / "lr_find.json", {"head": steep(), "finetune": flat()})
    charts = draw_sweeps(tmp_path / "lr_find.json")
    assert len(charts) == 2
    for chart in charts:
        assert len(chart.marks) == 4
        for rate in (*(mark.x for mark in chart.marks), *(x for line in chart.lines for x, _ in line.points)):
            assert 0 <= chart.x.place(rate) <= 100
