"""What a sweep of the learning rate said of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from trainer.fitting.rate_search.found_rate import read_found
from trainer.fitting.rate_search.suggestions import Rule

_FAR = 3.0


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """What the sweep of the whole network speaks for.

    lowest, highest  the rates between which it does. By the rule `edge`, where the loss hardly fell so that what is
                     read from its fall is noise, both are the rate above which it began to rise
    chosen           what `fit --lr auto` takes
    rule             by which that was chosen
    """

    lowest: float
    highest: float
    chosen: float
    rule: Rule

    def calls_low(self, rate: float) -> bool:
        """Whether the rate is less than a third of the lowest."""
        return rate * _FAR < self.lowest

    def about(self, rate: float) -> bool:
        """Whether the rate is at most three times the one that was chosen, and at least a third of it."""
        return self.chosen <= rate * _FAR and rate <= self.chosen * _FAR


def read_sweep(path: Path) -> Sweep | None:
    """What lr_find.json says; None where there was no sweep of the whole network, or one that does not say."""
    whole = read_found(path).get("whole")
    if whole is None or whole.rule == "own":
        return None
    found = whole.suggestions
    rates = (found.valley, found.steepest, found.minimum_tenth) if whole.rule == "mean" else (whole.chosen,)
    return Sweep(lowest=min(rates), highest=max(rates), chosen=whole.chosen, rule=whole.rule)
