"""One axis of a chart: where a value stands, and which round values are named."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_MARGIN = 0.06  # of the span, so that no dot lies on a border

Kind = Literal["linear", "log", "share", "count"]


@dataclass(frozen=True, kw_only=True)
class Axis:
    """From `low` to `high`, which differ.

    kind  `linear`; `log` (both over 0); `share` (1 reads 100 %); `count` (only whole numbers are named)
    """

    low: float
    high: float
    kind: Kind = "linear"

    def place(self, value: float) -> float:
        """Percent of the way from `low` to `high`."""
        low, high, value = (math.log(x) if self.kind == "log" else x for x in (self.low, self.high, value))
        return round(100 * (value - low) / (high - low), 3)

    def ticks(self, most: int = 6) -> list[tuple[float, str]]:
        """(percent of the way, text) of round values in the span, as a rule no more than `most`."""
        if self.kind == "log":
            first, last = math.ceil(math.log10(self.low)), math.floor(math.log10(self.high))
            stride = max(1, math.ceil((last - first + 1) / most))
            return [(self.place(10.0**power), _plain(10.0**power)) for power in range(first, last + 1, stride)]
        step = _round_step((self.high - self.low) / most)
        step = max(1.0, round(step)) if self.kind == "count" else step
        top = min(self.high, 1.0) if self.kind == "share" else self.high
        first, last = math.ceil(self.low / step - 1e-9), math.floor(top / step + 1e-9)
        decimals = 2 - math.floor(math.log10(step))  # those that neighbours differ in
        values = [round(number * step, decimals) for number in range(first, last + 1)]
        return [(self.place(value), self.name(value, digits=12)) for value in values]

    def name(self, value: float, *, digits: int = 4) -> str:
        """The value in at most so many digits."""
        return f"{100 * value:.{digits}g}\N{NO-BREAK SPACE}%" if self.kind == "share" else _plain(value, digits=digits)


def axis_over(
    values: Iterable[float], *, low: float = -math.inf, high: float = math.inf, kind: Kind = "linear"
) -> Axis:
    """An axis that shows all these values with room about them, but nothing under `low` or over `high`."""
    found = list(values)
    least, most = min(found), max(found)
    if kind == "log":
        return Axis(low=least, high=most if most > least else 10 * least, kind=kind)
    room = _MARGIN * (most - least) or abs(most) * _MARGIN or 1.0
    return Axis(low=max(low, least - room), high=min(high, most + room), kind=kind)


def _plain(value: float, *, digits: int = 4) -> str:
    """As 1e-5 rather than 1e-05."""
    return f"{value:.{digits}g}".replace("e-0", "e-")


def _round_step(least: float) -> float:
    """The smallest of 1, 2, 2.5, 5, 10, 20 ... (and their tenths) that is not less than `least`."""
    scale = 10.0 ** math.floor(math.log10(least))
    return next(step * scale for step in _STEPS if step * scale >= least * (1 - 1e-9))
