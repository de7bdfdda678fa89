from __future__ import annotations

import pytest

from tests.trainer.report.conftest import flat_lr_find, steep_lr_find
from trainer.report.training_charts import draw_history, draw_lr_find
from trainer.training.history import EpochRecord, StepRecord, TrainingHistory

METRICS = {"accuracy": 0.7, "macro_f1": 0.7, "loss": 0.3}


def epoch(number: int, *, train: dict[str, float] | None = None) -> EpochRecord:
    return EpochRecord(number=number, valid=METRICS, train=train or {}, best=True, images_per_second=None)


def history(*epochs: EpochRecord, losses: list[float]) -> TrainingHistory:
    """A history whose steps with these losses fill the first epoch."""
    steps = [
        StepRecord(epoch=number / len(losses), lr=0.01, momentum=0.9, loss=loss) for number, loss in enumerate(losses)
    ]
    return TrainingHistory(epochs=epochs, steps=tuple(steps), seconds={})


def test_training_images_have_a_line_only_if_they_were_measured() -> None:
    without = history(epoch(1), losses=[3.0])
    measured = history(epoch(1, train={"accuracy": 0.9, "macro_f1": 0.9, "loss": 0.2}), losses=[3.0])
    names = [[line.name for line in draw_history(h, task="classification")[0].lines] for h in (without, measured)]
    assert names == [["each step", "validation images"], ["each step", "training images", "validation images"]]


def test_many_steps_become_a_short_line() -> None:
    long = history(epoch(1), losses=[5.0 - number / 30_000 for number in range(100_000)])
    (steps,) = [line for line in draw_history(long, task="classification")[0].lines if line.name == "each step"]
    assert len(steps.points) < 500
    assert [loss for _, loss in steps.points] == sorted((loss for _, loss in steps.points), reverse=True)
    assert steps.points[0][1] == pytest.approx(5.0, abs=0.02)


def test_a_run_of_the_head_alone_has_no_charts() -> None:
    assert draw_history(history(epoch(0), losses=[]), task="classification") == ()


def test_all_marks_and_the_complete_curve_are_in_the_chart() -> None:
    """The minimum / 10 of a curve with its minimum at the start was outside."""
    charts = draw_lr_find({"head": steep_lr_find(), "finetune": flat_lr_find()})
    assert len(charts) == 2
    for chart in charts:
        assert len(chart.marks) == 4
        for lr in (*(mark.x for mark in chart.marks), *(x for line in chart.lines for x, _ in line.points)):
            assert 0 <= chart.x.percent(lr) <= 100
