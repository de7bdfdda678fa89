"""The charts of a training: loss, metrics, the learning rate schedule, and the learning rate finder."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Literal

import numpy as np

from service.bundle.spec import Task
from trainer.report.chart import Axis, Band, Chart, Line, Mark, Point, downsample, fit_axis
from trainer.report.formatting import humanize, percent, spaced
from trainer.training.history import EpochRecord, TrainingHistory
from trainer.training.lr_find.result import LRFindResult, Stage, format_lr
from trainer.training.metrics import PRIMARY_METRIC

_MAX_STEPS = 240
_SECONDARY_METRICS = ("coarse_accuracy", "macro_f1", "micro_f1")
_DASHES = ("", " second", " third")

_LR_FIND_TITLES: Mapping[Stage, str] = {
    "head": "Learning rate finder: head",
    "finetune": "Learning rate finder: fine-tuning",
}
_SUGGESTION_NAMES = {"minimum_tenth": "minimum / 10"}
_LR_FIND_RULES = {
    "mean": "the geometric mean of the three methods",
    "edge": "the point where the loss begins to rise",
    "recipe": "the value of the recipe, because this curve gives no clear answer",
}


def draw_history(history: TrainingHistory, *, task: Task) -> tuple[Chart, ...]:
    """Draw the fine-tuning stage; returns no chart if there was none."""
    if not history.steps or history.epochs[-1].number == 0:
        return ()
    return (
        _loss_chart(history),
        _metrics_chart(history, task),
        _schedule_chart(
            history,
            "lr",
            f"Learning rate of the head, at most {format_lr(max(step.lr for step in history.steps))}. Earlier layers "
            "use a fixed fraction of it.",
        ),
        _schedule_chart(history, "momentum", "Beta1 of Adam. It falls while the learning rate rises."),
    )


def draw_lr_find(results: Mapping[Stage, LRFindResult]) -> tuple[Chart, ...]:
    """Draw one chart for each stage that the learning rate finder swept."""
    return tuple(_lr_find_chart(_LR_FIND_TITLES[stage], result) for stage, result in results.items())


def _loss_chart(history: TrainingHistory) -> Chart:
    steps = downsample([(step.epoch, step.loss) for step in history.steps], max_points=_MAX_STEPS)
    train, valid = _metric_points(history.epochs, "train", "loss"), _metric_points(history.epochs, "valid", "loss")
    # The first steps of a new head may be so high that all other lines would look flat.
    usual_losses = np.quantile([loss for _, loss in steps], (0.01, 0.99)).tolist()
    lines = [Line(name="each step", style="steps", points=steps)]
    if train:
        lines.append(Line(name="training images", style="train", points=train, dots=True))
    if valid:
        lines.append(Line(name="validation images", style="valid", points=valid, dots=True))
    best = min(valid, key=lambda point: point[1], default=None)
    return Chart(
        title="Loss",
        description=f"{first_to_last('Validation loss', valid)} {first_to_last('Training loss', train)}".lstrip()
        + (f" The lowest validation loss is {best[1]:.3g}, after epoch {best[0]:.0f}." if best else ""),
        x=_epoch_axis(history),
        y=fit_axis([*usual_losses, *(loss for _, loss in (*train, *valid))], minimum=0),
        x_name="epoch",
        lines=lines,
        marks=_best_epoch_marks(history),
        note="The faint line is the loss of the training steps: on augmented images, with dropout and label smoothing. "
        "Do not compare it with the other lines, which are measured on images as the service sees them. All lines are "
        "from before the calibration of the probabilities, so the loss of the exported model differs.",
    )


def _metrics_chart(history: TrainingHistory, task: Task) -> Chart:
    primary = PRIMARY_METRIC[task]
    valid = {name: _metric_points(history.epochs, "valid", name) for name in (primary, *_SECONDARY_METRICS)}
    measured = [(name, points) for name, points in valid.items() if points]
    lines = [
        Line(name=f"{spaced(name)}, validation", style=f"valid{dash}", points=points, dots=name == primary)
        for (name, points), dash in zip(measured, _DASHES, strict=False)
    ]
    train = _metric_points(history.epochs, "train", primary)
    if train:
        lines.insert(0, Line(name=f"{spaced(primary)}, training", style="train", points=train, dots=True))
    return Chart(
        title=humanize(primary),
        description=first_to_last(f"Validation {spaced(primary)}", valid[primary], as_percent=True)
        or first_to_last(f"Training {spaced(primary)}", train, as_percent=True),
        x=_epoch_axis(history),
        y=fit_axis([value for line in lines for _, value in line.points], minimum=0, maximum=1.02, scale="fraction"),
        x_name="epoch",
        lines=lines,
        marks=_best_epoch_marks(history),
        note="" if measured else "Of training images: there are no validation images.",
    )


def _schedule_chart(history: TrainingHistory, field: Literal["lr", "momentum"], note: str) -> Chart:
    title = {"lr": "Learning rate", "momentum": "Momentum"}[field]
    points = downsample([(step.epoch, getattr(step, field)) for step in history.steps], max_points=_MAX_STEPS)
    values = [value for _, value in points]
    return Chart(
        title=title,
        description=f"From {values[0]:.3g} to {values[-1]:.3g}. Highest {max(values):.3g}, lowest {min(values):.3g}.",
        x=_epoch_axis(history),
        y=fit_axis(values, minimum=0),
        x_name="epoch",
        lines=[Line(name=title.lower(), style="plain", points=points)],
        note=note,
        half_height=True,
    )


def _lr_find_chart(title: str, result: LRFindResult) -> Chart:
    curve = result.curve
    lrs, losses, lowest, highest = (array.tolist() for array in (curve.lrs, curve.losses, curve.lowest, curve.highest))
    suggestions = sorted((lr, _SUGGESTION_NAMES.get(name, name)) for name, lr in asdict(result.suggestions).items())
    note = f"Suggestion: {format_lr(result.suggestion)}, {_LR_FIND_RULES[result.rule]}."
    if not result.suggestions.agree:
        note += " The three methods disagree, so be careful with it."
    return Chart(
        title=title,
        description=f"Suggested by method: {', '.join(f'{name}: {format_lr(lr)}' for lr, name in suggestions)}.",
        x=fit_axis([*lrs, *(lr for lr, _ in suggestions), result.suggestion], scale="log"),
        y=fit_axis([min(loss, curve.ceiling) for loss in (*losses, *lowest, *highest)]),
        x_name="learning rate",
        lines=[
            Line(name="smoothed loss, median of the sweeps", style="plain", points=list(zip(lrs, losses, strict=True)))
        ],
        band=Band(name="range of the sweeps", points=list(zip(lrs, lowest, highest, strict=True))),
        marks=[
            *(Mark(text=f"{name}: {format_lr(lr)}", x=lr) for lr, name in suggestions),
            Mark(text=f"suggestion: {format_lr(result.suggestion)}", x=result.suggestion, strong=True),
        ],
        note=note,
    )


def _metric_points(epochs: Iterable[EpochRecord], split: Literal["train", "valid"], name: str) -> list[Point]:
    """(epoch, value) of one metric, without the epochs at which it was not measured."""
    values = [(epoch.number, getattr(epoch, split).get(name)) for epoch in epochs]
    return [(number, value) for number, value in values if value is not None]


def _epoch_axis(history: TrainingHistory) -> Axis:
    return Axis(low=0, high=math.ceil(max(history.epochs[-1].number, history.steps[-1].epoch)), scale="count")


def _best_epoch_marks(history: TrainingHistory) -> tuple[Mark, ...]:
    return (Mark(text="best epoch", x=history.kept.number),) if history.kept and history.kept.valid else ()


def first_to_last(name: str, points: Sequence[Point], *, as_percent: bool = False) -> str:
    """How a line goes, in a sentence; empty without points."""
    if not points:
        return ""
    first, last = (percent(value) if as_percent else f"{value:.3g}" for _, value in (points[0], points[-1]))
    return f"{name} goes from {first} to {last}."
