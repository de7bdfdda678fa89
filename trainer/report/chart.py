"""A line chart as plain numbers; chart.svg.jinja draws it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from trainer.report.axis import Axis

Point = tuple[float, float]

# Percent of the way from a mark to the border, which its word needs on a phone.
_ROOM = 45


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line.

    style  class of the style sheet: `valid`, `train`, `steps`, `plain`, with `second` or `third` after it for dashes
    dots   whether each point is marked and tells its value
    """

    name: str
    style: str
    points: Sequence[Point]
    dots: bool = False


@dataclass(frozen=True, kw_only=True)
class Band:
    """What lies between two lines: (x, least, most)."""

    name: str
    points: Sequence[tuple[float, float, float]]


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A place on the x axis that is worth a word; a strong one stands out among others."""

    name: str
    x: float
    strong: bool = False


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A line chart.

    says  what it shows, in a sentence or two: read out where the chart cannot be seen
    note  what must be known to read it; shown under it
    low   whether it needs little height
    """

    title: str
    says: str
    x: Axis
    y: Axis
    x_name: str
    lines: Sequence[Line]
    band: Band | None = None
    marks: Sequence[Mark] = ()
    note: str = ""
    low: bool = False

    def path(self, points: Sequence[Point]) -> str:
        """The points of an SVG polyline in a box of 100 x 100."""
        return " ".join(f"{self.x.place(x):g},{100 - self.y.place(y):g}" for x, y in points)

    @property
    def flags(self) -> list[tuple[Mark, float, bool]]:
        """(mark, percent of the way, whether its word stands on its left), from the top row to the lowest.

        In this order no line runs through a word that stands on the same side of its own line, and where there is room
        all words stand on one side.
        """
        placed = sorted(((mark, self.x.place(mark.x)) for mark in self.marks), key=lambda entry: entry[1])
        places = [place for _, place in placed]
        turn = 0 if places and places[-1] > 100 - _ROOM and places[0] >= _ROOM else 100 - _ROOM
        on_the_right = [(mark, place, False) for mark, place in placed if place <= turn]
        on_the_left = [(mark, place, True) for mark, place in reversed(placed) if place > turn]
        return [*on_the_right, *on_the_left]

    def outline(self, band: Band) -> str:
        """The points of an SVG polygon about a band."""
        there = [(x, most) for x, _, most in band.points]
        return self.path([*there, *((x, least) for x, least, _ in reversed(band.points))])


def thinned(points: Sequence[Point], *, most: int) -> list[Point]:
    """At most `most` points: the means of neighbours, so that a million steps draw one line."""
    bins = min(most, len(points))
    cuts = [len(points) * number // bins for number in range(bins + 1)] if bins else []
    return [_mean(points[start:end]) for start, end in itertools.pairwise(cuts)]


def _mean(points: Sequence[Point]) -> Point:
    return sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points)
