"""What a sweep of the learning rate said of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from trainer.fitting.rate_search.found_rate import read_found

_FAR = 3.0


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """The lowest and the highest rate that the sweep of the whole network speaks for."""

    lowest: float
    highest: float

    def calls_low(self, rate: float) -> bool:
        """Whether the rate is less than a third of the lowest."""
        return rate * _FAR < self.lowest


def read_sweep(path: Path) -> Sweep | None:
    """What lr_find.json says; None where there was no sweep of the whole network, or its curve did not fall."""
    whole = read_found(path).get("whole")
    if whole is None or whole.rule == "edge":
        return None
    rates = (whole.suggestions.valley, whole.suggestions.steepest, whole.suggestions.minimum_tenth)
    return Sweep(lowest=min(rates), highest=max(rates))
