"""What a sweep of the learning rate said of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from trainer.training.lr_find.result import read_lr_find
from trainer.training.lr_find.suggestions import Rule

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
    suggestion: float
    rule: Rule

    def calls_low(self, rate: float) -> bool:
        """Whether the rate is less than a third of the lowest."""
        return rate * _FAR < self.lowest

    def about(self, rate: float) -> bool:
        """Whether the rate is at most three times the one that was chosen, and at least a third of it."""
        return self.suggestion <= rate * _FAR and rate <= self.suggestion * _FAR


def read_sweep(path: Path) -> Sweep | None:
    """What lr_find.json says; None where there was no sweep of the whole network, or one that does not say."""
    whole = read_lr_find(path).get("finetune")
    if whole is None or whole.rule == "recipe":
        return None
    found = whole.suggestions
    rates = (found.valley, found.steepest, found.minimum_tenth) if whole.rule == "mean" else (whole.suggestion,)
    return Sweep(lowest=min(rates), highest=max(rates), suggestion=whole.suggestion, rule=whole.rule)
