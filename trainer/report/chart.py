"""A chart as numbers: axes, lines, a band, bars and marks. chart.svg.jinja draws it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Point = tuple[float, float]  # (x, y)
Scale = Literal["linear", "log", "fraction", "count"]

_ROUND_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_BAR_WIDTH, _GAP_WIDTH = 0.66, 0.2  # fractions of the part of the axis that a bar stands for
_AXIS_MARGIN = 0.06  # fraction of the span, so that no dot lies on the border
_MARK_TEXT_PERCENT = 45  # width that the text of a mark needs on a phone, in percent of the chart


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One axis of a chart.

    Attributes:
        low: First value.
        high: Last value, greater than `low`.
        scale: `linear`; `log` (`low` is over 0); `fraction` (linear, 1 is shown as 100 %); `count` (linear, ticks only
            at whole numbers).
    """

    low: float
    high: float
    scale: Scale = "linear"

    def percent(self, value: float) -> float:
        """Position of a value: 0 at `low`, 100 at `high`."""
        low, high, value = (math.log(x) if self.scale == "log" else x for x in (self.low, self.high, value))
        return round(100 * (value - low) / (high - low), 3)

    def ticks(self, max_count: int = 6) -> list[tuple[float, str]]:
        """Choose round values on the axis.

        Args:
            max_count: Upper limit of their number; rounding may add one or two.

        Returns:
            Position in percent and text of each tick, in rising order.
        """
        if self.scale == "log":
            first, last = math.ceil(math.log10(self.low)), math.floor(math.log10(self.high))
            stride = max(1, math.ceil((last - first + 1) / max_count))
            return [
                (self.percent(10.0**power), _format_number(10.0**power)) for power in range(first, last + 1, stride)
            ]
        step = _round_up_to_step((self.high - self.low) / max_count)
        step = max(1.0, round(step)) if self.scale == "count" else step
        top = min(self.high, 1.0) if self.scale == "fraction" else self.high
        first, last = math.ceil(self.low / step - 1e-9), math.floor(top / step + 1e-9)
        decimals = 2 - math.floor(math.log10(step))  # enough to tell neighbours apart
        values = [round(number * step, decimals) for number in range(first, last + 1)]
        return [(self.percent(value), self.format(value, digits=12)) for value in values]

    def format(self, value: float, *, digits: int = 4) -> str:
        """Text of a value with at most this number of significant digits."""
        if self.scale == "fraction":
            return f"{100 * value:.{digits}g}\N{NO-BREAK SPACE}%"
        return _format_number(value, digits=digits)


def fit_axis(
    values: Iterable[float], *, minimum: float = -math.inf, maximum: float = math.inf, scale: Scale = "linear"
) -> Axis:
    """Make an axis that shows all values, with a margin on both sides.

    Args:
        values: At least one.
        minimum: The axis starts here or higher.
        maximum: The axis ends here or lower.
        scale: Scale of the axis; `log` gets no margin, and both limits are ignored.
    """
    found = list(values)
    lowest, highest = min(found), max(found)
    if scale == "log":
        return Axis(low=lowest, high=highest if highest > lowest else 10 * lowest, scale=scale)
    margin = _AXIS_MARGIN * (highest - lowest) or abs(highest) * _AXIS_MARGIN or 1.0
    return Axis(low=max(minimum, lowest - margin), high=min(maximum, highest + margin), scale=scale)


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a chart.

    Attributes:
        name: Text in the legend.
        style: CSS classes: `valid`, `train`, `steps` or `plain`; for a dashed line with `second` or `third` after it.
        points: From left to right.
        dots: Whether each point has a dot with its value as a tooltip.
    """

    name: str
    style: str
    points: Sequence[Point]
    dots: bool = False


@dataclass(frozen=True, kw_only=True)
class Band:
    """The area between two lines.

    Attributes:
        name: Text in the legend.
        points: (x, lowest y, highest y), from left to right.
    """

    name: str
    points: Sequence[tuple[float, float, float]]


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A bar that stands on the horizontal axis, and where its top should be.

    Attributes:
        low: First x value of its part of the axis.
        high: Last x value of it.
        top: y value of its top.
        ideal: y value of where the top should be; what is between them is the gap.
        chance: Lowest and highest y value that chance explains, if the ideal is right.
        text: Stands above the chart.
        description: Tooltip.
        faint: Whether it stands for little.
    """

    low: float
    high: float
    top: float
    ideal: float
    chance: tuple[float, float]
    text: str
    description: str
    faint: bool = False


@dataclass(frozen=True, kw_only=True)
class Box:
    """A rectangle in a chart, in percent from its left and its top."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, kw_only=True)
class BarNames:
    """What the parts of bars are called in the legend, and the texts above them at their left."""

    top: str
    gap: str
    chance: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A vertical line with a text at one x value; `strong` makes it stand out among others."""

    text: str
    x: float
    strong: bool = False


@dataclass(frozen=True, kw_only=True)
class PlacedMark:
    """A mark in its chart.

    Attributes:
        mark: The mark.
        percent: Position on the x axis.
        text_on_left: Whether the text stands on the left of the line, or else on its right.
    """

    mark: Mark
    percent: float
    text_on_left: bool


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A chart of lines, of bars or of both.

    Attributes:
        title: Heading of the chart.
        description: What the chart shows, in one or two sentences for people who cannot see it.
        x: Horizontal axis.
        y: Vertical axis.
        x_name: Text under the horizontal axis.
        lines: Drawn in this order, the last one on top.
        band: Area behind the lines.
        bars: From left to right, behind the lines.
        bar_names: In the legend; must be there if there are bars.
        marks: Vertical lines, in any order.
        note: What a reader must know to read the chart; shown under it.
        half_height: Whether the chart is drawn at half of the usual height.
    """

    title: str
    description: str
    x: Axis
    y: Axis
    x_name: str
    lines: Sequence[Line]
    band: Band | None = None
    bars: Sequence[Bar] = ()
    bar_names: BarNames | None = None
    marks: Sequence[Mark] = ()
    note: str = ""
    half_height: bool = False

    def polyline(self, points: Sequence[Point]) -> str:
        """`points` attribute of an SVG polyline in a box of 100 x 100."""
        return " ".join(f"{self.x.percent(x):g},{100 - self.y.percent(y):g}" for x, y in points)

    def polygon(self, band: Band) -> str:
        """`points` attribute of an SVG polygon around a band, in a box of 100 x 100."""
        upper = [(x, highest) for x, _, highest in band.points]
        lower = [(x, lowest) for x, lowest, _ in band.points]
        return self.polyline([*upper, *reversed(lower)])

    def bar_box(self, bar: Bar) -> Box:
        """Where a bar is."""
        return self._box(bar, 0, bar.top, width=_BAR_WIDTH)

    def gap_box(self, bar: Bar) -> Box:
        """What is between the top of a bar and where it should be."""
        return self._box(bar, *sorted((bar.top, bar.ideal)), width=_GAP_WIDTH)

    def chance_box(self, bar: Bar) -> Box:
        """Where chance may put the top of a bar."""
        return self._box(bar, *bar.chance, width=1)

    def _box(self, bar: Bar, lowest: float, highest: float, *, width: float) -> Box:
        left, right, top = self.x.percent(bar.low), self.x.percent(bar.high), self.y.percent(highest)
        return Box(
            x=round(left + (1 - width) / 2 * (right - left), 3),
            y=round(100 - top, 3),
            width=round(width * (right - left), 3),
            height=round(top - self.y.percent(lowest), 3),
        )

    @property
    def placed_marks(self) -> list[PlacedMark]:
        """The marks in the order of their texts, from the top row to the lowest.

        In this order no line crosses the text of another mark that stands on the same side. All texts stand on one side
        if there is room for that.
        """
        placed = sorted(((mark, self.x.percent(mark.x)) for mark in self.marks), key=lambda pair: pair[1])
        positions = [percent for _, percent in placed]
        all_fit_on_left = positions and positions[-1] > 100 - _MARK_TEXT_PERCENT and positions[0] >= _MARK_TEXT_PERCENT
        last_on_right = 0 if all_fit_on_left else 100 - _MARK_TEXT_PERCENT
        return [
            *(PlacedMark(mark=mark, percent=x, text_on_left=False) for mark, x in placed if x <= last_on_right),
            *(PlacedMark(mark=mark, percent=x, text_on_left=True) for mark, x in reversed(placed) if x > last_on_right),
        ]


def downsample(points: Sequence[Point], *, max_points: int) -> list[Point]:
    """Reduce a line to at most `max_points` points: the means of neighbours, so that a million steps stay small."""
    bins = min(max_points, len(points))
    edges = [len(points) * number // bins for number in range(bins + 1)] if bins else []
    return [_mean_point(points[start:end]) for start, end in itertools.pairwise(edges)]


def _mean_point(points: Sequence[Point]) -> Point:
    return sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points)


def _format_number(value: float, *, digits: int = 4) -> str:
    """The number as 1e-5, not as 1e-05."""
    return f"{value:.{digits}g}".replace("e-0", "e-")


def _round_up_to_step(least: float) -> float:
    """The smallest of 1, 2, 2.5, 5, 10, 20 ... (and their tenths) that is at least `least`."""
    scale = 10.0 ** math.floor(math.log10(least))
    return next(step * scale for step in _ROUND_STEPS if step * scale >= least * (1 - 1e-9))
