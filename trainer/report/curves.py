"""The charts of a run's second stage: loss, figures of merit, rate and momentum."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from service.bundle.spec import Task
from trainer.report.axis import Axis, axis_over
from trainer.report.chart import Chart, Line, Mark, Point, thinned
from trainer.training.history import EpochRecord, TrainingHistory
from trainer.training.metrics import PRIMARY_METRIC

_STEPS_SHOWN = 240
_FURTHER = ("coarse_accuracy", "macro_f1", "micro_f1")
_DASHES = ("", " second", " third")


def draw_curves(learning: TrainingHistory, *, task: Task) -> tuple[Chart, ...]:
    """The charts of a run; none where no epoch followed the first stage."""
    if not learning.steps or learning.epochs[-1].number == 0:
        return ()
    return (
        _losses(learning),
        _figures(learning, task),
        _schedule(learning, "Learning rate", "lr", "Of the head. Earlier layers learn slower, by a fixed factor."),
        _schedule(learning, "Momentum", "momentum", "Adam’s first beta, which mirrors the rate."),
    )


def _losses(learning: TrainingHistory) -> Chart:
    steps = thinned([(step.epoch, step.loss) for step in learning.steps], most=_STEPS_SHOWN)
    train, valid = _points(learning.epochs, "train", "loss"), _points(learning.epochs, "valid", "loss")
    # The first steps of a new head may lie so high that nothing else could be told apart.
    usual = np.quantile([loss for _, loss in steps], (0.01, 0.99)).tolist()
    lines = [Line(name="each step", style="steps", points=steps)]
    if train:
        lines.append(Line(name="training images", style="train", points=train, dots=True))
    lines.append(Line(name="validation images", style="valid", points=valid, dots=True))
    least = min(valid, key=lambda point: point[1], default=None)
    return Chart(
        title="Loss",
        says=f"{_journey('Validation loss', valid)} {_journey('Training loss', train)}"
        + (f" The least validation loss, {least[1]:.3g}, is that of epoch {least[0]:.0f}." if least else ""),
        x=_epochs(learning),
        y=axis_over([*usual, *(loss for _, loss in (*train, *valid))], low=0),
        x_name="epoch",
        lines=lines,
        marks=_kept(learning),
        note="The faint line is what each step learned from: cropped and changed images, dropout, smoothed labels. It "
        "cannot be compared with the others, which are measured on images as the service sees them. All are of the "
        "network before its probabilities were calibrated; the exported model’s loss is another.",
    )


def _figures(learning: TrainingHistory, task: Task) -> Chart:
    leading = PRIMARY_METRIC[task]
    found = {name: _points(learning.epochs, "valid", name) for name in (leading, *_FURTHER)}
    lines = [
        Line(name=f"{_words(name)}, validation", style=f"valid{dash}", points=points, dots=name == leading)
        for (name, points), dash in zip(
            ((name, points) for name, points in found.items() if points), _DASHES, strict=False
        )
    ]
    train = _points(learning.epochs, "train", leading)
    if train:
        lines.insert(0, Line(name=f"{_words(leading)}, training", style="train", points=train, dots=True))
    return Chart(
        title=_words(leading).capitalize(),
        says=_journey(f"Validation {_words(leading)}", found[leading], share=True),
        x=_epochs(learning),
        y=axis_over([value for line in lines for _, value in line.points], low=0, high=1.02, kind="share"),
        x_name="epoch",
        lines=lines,
        marks=_kept(learning),
    )


def _schedule(learning: TrainingHistory, title: str, name: str, note: str) -> Chart:
    points = thinned([(step.epoch, getattr(step, name)) for step in learning.steps], most=_STEPS_SHOWN)
    values = [value for _, value in points]
    return Chart(
        title=title,
        says=f"From {values[0]:.3g} to {values[-1]:.3g}; the most is {max(values):.3g}, the least {min(values):.3g}.",
        x=_epochs(learning),
        y=axis_over(values, low=0),
        x_name="epoch",
        lines=[Line(name=title.lower(), style="plain", points=points)],
        note=note,
        low=True,
    )


def _points(epochs: Iterable[EpochRecord], side: str, name: str) -> list[Point]:
    figures = [(epoch.number, getattr(epoch, side).get(name)) for epoch in epochs]
    return [(number, value) for number, value in figures if value is not None]


def _epochs(learning: TrainingHistory) -> Axis:
    return Axis(low=0, high=math.ceil(max(learning.epochs[-1].number, learning.steps[-1].epoch)), kind="count")


def _kept(learning: TrainingHistory) -> tuple[Mark, ...]:
    return (Mark(name="kept", x=learning.kept.number),) if learning.kept else ()


def _journey(name: str, points: Sequence[Point], *, share: bool = False) -> str:
    if not points:
        return ""
    first, last = (f"{100 * value:.1f} %" if share else f"{value:.3g}" for _, value in (points[0], points[-1]))
    return f"{name} goes from {first} to {last}."


def _words(name: str) -> str:
    return name.replace("_", " ").replace(" f1", " F1")
