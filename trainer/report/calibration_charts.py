"""The charts about probabilities: how many predictions are right by their probability, and the error by coverage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from service.bundle import AbstainSpec
from service.bundle.spec import Task
from trainer.report.chart import Axis, Band, Bar, BarNames, Chart, Line, Mark, Point, fit_axis
from trainer.report.formatting import percent
from trainer.training.metrics import wilson_interval

_FEW = 10  # claims of a bar: fewer say little
_WIDE = 0.5  # coverage under which the interval may leave the chart
_ANSWERED = Axis(low=0, high=1, scale="fraction")


@dataclass(frozen=True, kw_only=True)
class Words:
    """How a chart speaks about a task.

    Attributes:
        claim: What has a probability, in the singular.
        unit: What is counted, in the plural.
        wrong: What is true of a wrong answer.
    """

    claim: str
    unit: str
    wrong: str


WORDS: Mapping[Task, Words] = {
    "classification": Words(claim="prediction", unit="images", wrong="is wrong"),
    "multilabel": Words(claim="label", unit="labels", wrong="does not have exactly the right labels"),
}


@dataclass(frozen=True, kw_only=True)
class BinTexts:
    """A bin of the reliability diagram in words.

    Attributes:
        probabilities: From which to which.
        count: Number of its claims.
        mean: Mean probability.
        right: Which fraction of the claims is right.
        chance: Between which fractions chance puts that 19 times of 20, if the mean probability is right.
    """

    probabilities: str
    count: str
    mean: str
    right: str
    chance: str


def bin_texts(part: Mapping[str, Any]) -> BinTexts:
    """Put a bin of metrics.json that has claims into words."""
    return BinTexts(
        probabilities=_range(part["low"], part["high"]),
        count=f"{part['count']:,}",
        mean=percent(part["confidence"]),
        right=percent(part["accuracy"]),
        chance=_range(*_chance(part)),
    )


def draw_reliability(bins: Sequence[Mapping[str, Any]], *, task: Task) -> Chart:
    """Draw the reliability diagram.

    Args:
        bins: Those of metrics.json; one of them at least has claims.
        task: Of the model.
    """
    words = WORDS[task]
    most = bin_texts(max(bins, key=lambda part: part["count"]))
    return Chart(
        title="Reliability diagram",
        description=f"Most {words.claim}s, {most.count}, have a probability of {most.probabilities}, on average "
        f"{most.mean}: {most.right} of them are right. The table below the charts has all bars.",
        x=Axis(low=0, high=1, scale="fraction"),
        y=Axis(low=0, high=1, scale="fraction"),
        x_name=f"probability of a {words.claim}",
        lines=[Line(name="perfect calibration", style="ideal", points=[(0, 0), (1, 1)])],
        bars=[_bar(part, words) for part in bins if part["count"]],
        bar_names=BarNames(
            top=f"{words.claim}s that are right",
            gap="difference from their probability",
            chance="what chance explains",
            text=words.unit,
        ),
        note=f"Each bar: how many of the {words.claim}s with this probability are right. Above it: their number. Pale "
        f"bars have fewer than {_FEW} and say little. If the top of a bar is in the green area, chance explains its "
        "difference (19 times of 20).",
    )


def draw_coverage(calibration: Mapping[str, Any], *, task: Task, abstain: AbstainSpec | None) -> tuple[Chart, ...]:
    """Draw the error of the most certain answers, and how many strange images are answered if that is known.

    Args:
        calibration: That of metrics.json. Its `coverage` may have `strange`: which fraction of strange images is
            answered at each coverage.
        task: Of the model.
        abstain: From where on the model answers; None: always.
    """
    curve = calibration["coverage"]
    error = list(zip(curve["coverage"], curve["error"], strict=True))
    marks = (
        [] if abstain is None else [Mark(text=f"answers {percent(abstain.coverage)}", x=abstain.coverage, strong=True)]
    )
    charts = [_error_chart(error, calibration["images"], task=task, marks=marks)]
    if "strange" in curve:
        charts.append(_strange_chart(list(zip(curve["coverage"], curve["strange"], strict=True)), marks))
    return tuple(charts)


def _bar(part: Mapping[str, Any], words: Words) -> Bar:
    texts = bin_texts(part)
    return Bar(
        low=part["low"],
        high=part["high"],
        top=part["accuracy"],
        ideal=part["confidence"],
        chance=_chance(part),
        text=_short(part["count"]),
        description=f"Probability {texts.probabilities}, on average {texts.mean}: {texts.right} of {texts.count} "
        f"{words.unit} are right; by chance {texts.chance}, if the probability is right",
        faint=part["count"] < _FEW,
    )


def _chance(part: Mapping[str, Any]) -> tuple[float, float]:
    """Between which fractions of right claims a bin is 19 times of 20, if its mean probability is right."""
    low, high = stats.binom.interval(0.95, part["count"], part["confidence"])
    return float(low) / part["count"], float(high) / part["count"]


def _range(low: float, high: float) -> str:
    return f"{100 * low:.0f} to {percent(high, 0)}"


def _short(count: int) -> str:
    """A number that fits above a bar: 999, 1.2k, 12k, 1.2M."""
    for smallest, size, letter in ((999_500, 1_000_000, "M"), (1_000, 1_000, "k")):  # 999,500 would be 1000k
        if count >= smallest:
            return f"{count / size:.{1 if count < 9.95 * size else 0}f}{letter}"
    return str(count)


def _error_chart(error: Sequence[Point], images: int, *, task: Task, marks: Sequence[Mark]) -> Chart:
    band = [(coverage, *wilson_interval(wrong, round(coverage * images))) for coverage, wrong in error]
    highest = [max(wrong, band[number][2]) for number, (coverage, wrong) in enumerate(error) if coverage >= _WIDE]
    lines = [Line(name="wrong", style="valid", points=error)]
    if marks:
        at = [(mark.x, _at(mark.x, error)) for mark in marks]
        lines.append(Line(name="threshold of this bundle", style="train", points=at, dots=True))
    return Chart(
        title="Error by coverage",
        description=f"If all images are answered, {percent(error[-1][1])} of the answers are wrong; if the most "
        f"certain 90 % are, {percent(_at(0.9, error))}; if the most certain half is, {percent(_at(0.5, error))}.",
        x=_ANSWERED,
        y=fit_axis([0, *highest], minimum=0, maximum=1.02, scale="fraction"),
        x_name="images that are answered, the most certain first",
        lines=lines,
        band=Band(name="95 % interval", points=band),
        marks=marks,
        note=f"Which fraction of the answers {WORDS[task].wrong}, if only the most certain images are answered. A line "
        "that rises to the right says that the model knows when it is wrong.",
    )


def _strange_chart(strange: Sequence[Point], marks: Sequence[Mark]) -> Chart:
    return Chart(
        title="Strange images that are answered",
        description=f"If all images of known classes are answered, {percent(strange[-1][1])} of the strange ones are; "
        f"if 90 % are, {percent(_at(0.9, strange))}.",
        x=_ANSWERED,
        y=Axis(low=0, high=1.02, scale="fraction"),
        x_name="images of known classes that are answered",
        lines=[Line(name="strange images", style="plain", points=strange)],
        marks=marks,
        half_height=True,
        note="Strange images show none of the classes. Best is a line that stays at the bottom.",
    )


def _at(coverage: float, line: Sequence[Point]) -> float:
    """The y value of a line at this coverage."""
    return float(np.interp(coverage, [x for x, _ in line], [y for _, y in line]))
