"""lr_find.json: the learning rates that sweeps found, and the curves that speak for them.

    {"head": {...}, "whole": {...}}  the stages that were swept, each with

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
from trainer.fitting.rate_search.suggestions import MOST_APART, Rule, Suggestions
from trainer.fitting.rate_search.sweep import Curve

Stage = Literal["head", "whole"]

LR_FIND = Path("lr_find.json")
_CHOSEN: Mapping[Rule, str] = {
    "mean": "their geometric mean",
    "edge": "where the loss, which hardly falls, begins to rise",
    "own": "the recipe's own rate, as the loss neither falls nor rises and so does not say",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class FoundRate:
    """What was found for one stage; see the module."""

    curve: Curve
    suggestions: Suggestions
    chosen: float
    rule: Rule

    @property
    def told(self) -> str:
        """What was suggested and chosen, in one line."""
        asked = self.suggestions
        text = (
            f"learning rate {rate_text(self.chosen)}, from sweeps of {self.curve.seconds:.1f} s: "
            f"valley {rate_text(asked.valley)}, steepest {rate_text(asked.steepest)}, "
            f"minimum / 10 {rate_text(asked.minimum_tenth)}"
        )
        return f"{text}; {self.says}"

    def table(self, stage: str) -> list[str]:
        """The same in lines for people."""
        asked = self.suggestions
        named = {"valley": asked.valley, "steepest": asked.steepest, "minimum / 10": asked.minimum_tenth}
        return [
            f"{stage}: sweeps of {self.curve.seconds:.1f} s",
            *(f"  {name:<14}{rate_text(rate)}" for name, rate in (named | {"chosen": self.chosen}).items()),
            f"  {self.says}",
        ]

    @property
    def says(self) -> str:
        """Whether the suggestions agree, and how the rate was chosen."""
        apart = f"{self.suggestions.apart:,.3g}x apart"
        agreement = "agree" if self.suggestions.agree else f"disagree by more than {MOST_APART:g}x"
        return f"the suggestions {agreement} ({apart}); chosen is {_CHOSEN[self.rule]}"

    def to_json(self) -> dict[str, Any]:
        """As it stands in lr_find.json."""
        return {
            "rates": self.curve.rates.tolist(),
            "losses": self.curve.losses.tolist(),
            "least": self.curve.least.tolist(),
            "most": self.curve.most.tolist(),
            "burst": self.curve.burst,
            "suggestions": asdict(self.suggestions),
            "agree": self.suggestions.agree,
            "chosen": self.chosen,
            "rule": self.rule,
            "seconds": self.curve.seconds,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> FoundRate:
        """What `to_json` gave."""
        return cls(
            curve=Curve(
                rates=np.array(values["rates"]),
                losses=np.array(values["losses"]),
                least=np.array(values["least"]),
                most=np.array(values["most"]),
                burst=values.get("burst", True),  # older runs do not tell
                seconds=values["seconds"],
            ),
            suggestions=Suggestions(**values["suggestions"]),
            chosen=values["chosen"],
            rule=values["rule"],
        )


def rate_text(rate: float, *, digits: int = 1) -> str:
    """A learning rate as people write it: `4.8e-3`."""
    mantissa, exponent = f"{rate:.{digits}e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def write_found(path: Path, found: Mapping[Stage, FoundRate]) -> None:
    """Write lr_find.json, whole or not at all; what stood there before is replaced."""
    with atomic_write_text(path) as file:
        json.dump({stage: rate.to_json() for stage, rate in found.items()}, file, indent=1, allow_nan=False)


def read_found(path: Path) -> dict[Stage, FoundRate]:
    """What `write_found` wrote; nothing where there is no such file."""
    if not path.exists():
        return {}
    values = json.loads(path.read_text(encoding="utf-8"))
    return {stage: FoundRate.from_json(rate) for stage, rate in values.items()}
