"""Charts about the images of a run: how many each class has, and how accuracy depends on their number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trainer.report.chart import Axis, Band, Chart, Line, fit_axis
from trainer.report.formatting import percent
from trainer.report.training_charts import first_to_last
from trainer.wording import counted

_NAMED = 3  # classes


def draw_class_counts(counts: Mapping[str, tuple[int, int]]) -> Chart:
    """Draw how many images each class has, the class with the most training images first.

    Args:
        counts: Class -> number of its training and of its validation images; at least one class.
    """
    ordered = sorted(counts.items(), key=lambda item: (-item[1][0], -item[1][1], item[0]))
    # Each class is a step, one unit wide.
    steps = [
        [(number + end, item[1][split]) for number, item in enumerate(ordered) for end in (0, 1)] for split in (0, 1)
    ]
    named = min(_NAMED, len(ordered) // 2)
    text = f"Most: {_named(ordered[:named])}. Fewest: {_named(ordered[: -named - 1 : -1])}."
    if not named or ordered[0][1][0] == ordered[-1][1][0]:
        text = f"Each class has {counted(ordered[0][1][0], 'training image')}."
    return Chart(
        title="Images of each class",
        description=text,
        x=Axis(low=0, high=len(ordered), scale="count"),
        y=Axis(low=0, high=max(1, *(count for pair in counts.values() for count in pair)) * 1.05, scale="count"),
        x_name="classes, the one with the most training images first",
        lines=[
            Line(name="training", style="train", points=steps[0]),
            Line(name="validation", style="valid", points=steps[1]),
        ],
        note=text,
    )


def draw_learning_curve(points: Sequence[Mapping[str, Any]]) -> tuple[Chart, ...]:
    """Draw how accuracy depends on the number of training images; returns no chart if there are no points.

    Args:
        points: In rising order, each with `images`, `accuracy`, `interval` and `is_predicted`.
    """
    if not points:
        return ()
    curve = [(point["images"], point["accuracy"]) for point in points]
    count = sum(not point["is_predicted"] for point in points)
    return (
        Chart(
            title="Accuracy by number of training images",
            description=first_to_last("The measured accuracy", curve[:count], as_percent=True)
            + f" With twice as many images, {percent(curve[-1][1])} is predicted.",
            x=Axis(low=0, high=curve[-1][0] * 1.04, scale="count"),
            y=fit_axis([bound for point in points for bound in point["interval"]], maximum=1.02, scale="fraction"),
            x_name="training images",
            lines=[
                Line(name="predicted", style="valid second", points=curve[count - 1 :], dots=True),
                Line(name="measured", style="valid", points=curve[:count], dots=True),
            ],
            band=Band(name="95 % interval", points=[(point["images"], *sorted(point["interval"])) for point in points]),
            note="Of linear heads on features of the pretrained network, which take seconds to train. The network of "
            "this run was trained as a whole and is better; the shape is what matters.",
        ),
    )


def _named(classes: Sequence[tuple[str, tuple[int, int]]]) -> str:
    return ", ".join(f"{label} ({count:,})" for label, (count, _) in classes)
