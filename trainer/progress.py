"""How a long piece of work reports to a person."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class Step:
    """A part of the work that is announced before it starts.

    Attributes:
        label: As `Progress.start` gets it.
        cost: How long it takes, in a unit that all steps share; 0: too little, or too different, to say.
    """

    label: str
    cost: float = 0.0


class Progress(Protocol):
    """A bar for the present step, and lines that stay."""

    def plan(self, steps: Sequence[Step]) -> None:
        """Announce the steps of the whole work, in order. Some of them may be left out later."""

    def start(self, label: str, total: int, unit: str = "images") -> None:
        """Start a step of `total` units, in the plural; it ends the one before."""

    def advance(self, count: int = 1) -> None:
        """Count more units as done."""

    def info(self, text: str) -> None:
        """Show a line that stays."""

    def warn(self, text: str) -> None:
        """Show a warning that stays."""


class NoProgress:
    """A Progress that shows nothing."""

    def plan(self, steps: Sequence[Step]) -> None:
        """Show nothing."""

    def start(self, label: str, total: int, unit: str = "images") -> None:
        """Show nothing."""

    def advance(self, count: int = 1) -> None:
        """Show nothing."""

    def info(self, text: str) -> None:
        """Show nothing."""

    def warn(self, text: str) -> None:
        """Show nothing."""


class WarningsOnly(NoProgress):
    """A Progress that shows only warnings."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show

    def warn(self, text: str) -> None:
        """Show a warning."""
        self._show(f"warning: {text}")


class Whole:
    """Where the present step is in the whole work, and how long the rest may take.

    Attributes:
        label: Of the present step.
        total: Its number of units.
        unit: Their name, in the plural.
        done: How many of them are done.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.label, self.total, self.unit, self.done = "", 0, "images", 0
        self._clock = clock
        self._steps: Sequence[Step] = ()
        self._position = -1  # of the present step among them
        self._started = 0.0
        self._seconds = self._cost = 0.0  # of the finished steps that have a cost

    def plan(self, steps: Sequence[Step]) -> None:
        """See `Progress.plan`."""
        self._steps, self._position = steps, -1
        self._seconds = self._cost = 0.0

    def start(self, label: str, total: int, unit: str) -> None:
        """See `Progress.start`. A step that was not announced has no number."""
        now = self._clock()
        cost = self._present_cost
        if cost and self.done >= self.total:
            self._seconds += now - self._started
            self._cost += cost
        later = range(self._position + 1, len(self._steps))
        self._position = next((number for number in later if self._steps[number].label == label), self._position)
        self.label, self.total, self.unit, self.done, self._started = label, total, unit, 0, now

    @property
    def text(self) -> str:
        """Number and name of the step, and how long the rest takes: `step 4 of 9: epoch 1/3, about 11 min left`."""
        number = f"step {self._position + 1} of {len(self._steps)}: " if self._is_announced else ""
        left = self.seconds_left
        return f"{number}{self.label}" + ("" if left is None else f", {in_words(left)} left")

    @property
    def percent(self) -> str:
        """Of the present step."""
        return f"{100 * min(self.done, self.total) // max(1, self.total)} %"

    @property
    def seconds_left(self) -> float | None:
        """Estimate, for the whole work, from the steps whose cost is known; None if none of them tells yet."""
        if not self._is_announced:
            return None
        present, fraction = self._present_cost, min(1.0, self.done / max(1, self.total))
        seconds = self._seconds + (self._clock() - self._started if present else 0.0)
        cost = self._cost + present * fraction
        left = present * (1 - fraction) + sum(step.cost for step in self._steps[self._position + 1 :])
        return seconds / cost * left if cost else None

    @property
    def _is_announced(self) -> bool:
        return self._position >= 0 and self._steps[self._position].label == self.label

    @property
    def _present_cost(self) -> float:
        return self._steps[self._position].cost if self._is_announced else 0.0


def in_words(seconds: float) -> str:
    """Round a time that is an estimate: `less than a minute`, `about 11 min`, `about 2 h 10 min`."""
    minutes = round(seconds / 60)
    if not minutes:
        return "less than a minute"
    hours, minutes = divmod(minutes, 60)
    return f"about {hours} h {minutes} min" if hours else f"about {minutes} min"
