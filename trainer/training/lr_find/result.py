"""lr_find.json: the learning rates that sweeps found, and the curves that speak for them.

    {"head": {...}, "finetune": {...}}  the stages that were swept, each with

    rates        [n], rising; the whole network's is that of its head
    losses       [n], the median of the sweeps: smoothed training loss, with augmentation, dropout and label smoothing
    least, most  [n], the least and the most of them
    suggestions  {"valley", "steepest", "minimum_tenth"}, each a rate (see `Suggestions`)
    agree        whether the largest of them is at most three times the smallest
    chosen       the rate that `fit --lr auto` takes
    burst        whether a sweep ended before its last rate, as its loss burst
    rule         how it was chosen: `mean` of the suggestions; `edge`, where the loss begins to rise; or `own`, that of
                 the recipe, as the sweep does not say (see `choose`)
    seconds      wall time of the sweeps

The curve is what fast.ai's plot shows: without the first tenth and the last twentieth of the steps.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from trainer.atomic import atomic_write_text
from trainer.training.lr_find.suggestions import MOST_APART, Rule, Suggestions
from trainer.training.lr_find.sweep import SweepCurve

Stage = Literal["head", "finetune"]

LR_FIND = Path("lr_find.json")
_CHOSEN: Mapping[Rule, str] = {
    "mean": "their geometric mean",
    "edge": "where the loss, which hardly falls, begins to rise",
    "recipe": "the recipe's own rate, as the loss neither falls nor rises and so does not say",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class LRFindResult:
    """What was found for one stage; see the module."""

    curve: SweepCurve
    suggestions: Suggestions
    suggestion: float
    rule: Rule

    @property
    def summary_line(self) -> str:
        """What was suggested and chosen, in one line."""
        asked = self.suggestions
        text = (
            f"learning rate {format_lr(self.suggestion)}, from sweeps of {self.curve.seconds:.1f} s: "
            f"valley {format_lr(asked.valley)}, steepest {format_lr(asked.steepest)}, "
            f"minimum / 10 {format_lr(asked.minimum_tenth)}"
        )
        return f"{text}; {self.explanation}"

    def table(self, stage: str) -> list[str]:
        """The same in lines for people."""
        asked = self.suggestions
        named = {"valley": asked.valley, "steepest": asked.steepest, "minimum / 10": asked.minimum_tenth}
        return [
            f"{stage}: sweeps of {self.curve.seconds:.1f} s",
            *(f"  {name:<14}{format_lr(rate)}" for name, rate in (named | {"suggestion": self.suggestion}).items()),
            f"  {self.explanation}",
        ]

    @property
    def explanation(self) -> str:
        """Whether the suggestions agree, and how the rate was chosen."""
        apart = f"{self.suggestions.apart:,.3g}x apart"
        agreement = "agree" if self.suggestions.agree else f"disagree by more than {MOST_APART:g}x"
        return f"the suggestions {agreement} ({apart}); chosen is {_CHOSEN[self.rule]}"

    def to_json(self) -> dict[str, Any]:
        """As it stands in lr_find.json."""
        return {
            "lrs": self.curve.lrs.tolist(),
            "losses": self.curve.losses.tolist(),
            "lowest": self.curve.lowest.tolist(),
            "highest": self.curve.highest.tolist(),
            "diverged": self.curve.diverged,
            "suggestions": asdict(self.suggestions),
            "agree": self.suggestions.agree,
            "suggestion": self.suggestion,
            "rule": self.rule,
            "seconds": self.curve.seconds,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> LRFindResult:
        """What `to_json` gave."""
        return cls(
            curve=SweepCurve(
                lrs=np.array(values["lrs"]),
                losses=np.array(values["losses"]),
                lowest=np.array(values["lowest"]),
                highest=np.array(values["highest"]),
                diverged=values.get("diverged", True),  # older runs do not tell
                seconds=values["seconds"],
            ),
            suggestions=Suggestions(**values["suggestions"]),
            suggestion=values["suggestion"],
            rule=values["rule"],
        )


def format_lr(rate: float, *, digits: int = 1) -> str:
    """A learning rate as people write it: `4.8e-3`."""
    mantissa, exponent = f"{rate:.{digits}e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def write_lr_find(path: Path, found: Mapping[Stage, LRFindResult]) -> None:
    """Write lr_find.json, whole or not at all; what stood there before is replaced."""
    with atomic_write_text(path) as file:
        json.dump({stage: rate.to_json() for stage, rate in found.items()}, file, indent=1, allow_nan=False)


def read_lr_find(path: Path) -> dict[Stage, LRFindResult]:
    """What `write_lr_find` wrote; nothing where there is no such file."""
    if not path.exists():
        return {}
    values = json.loads(path.read_text(encoding="utf-8"))
    return {stage: LRFindResult.from_json(rate) for stage, rate in values.items()}
