"""lr_find.json: the learning rates that were found, and the curves that support them.

{"head": {...}, "finetune": {...}}  the stages that were swept, each with

lrs              [n], rising; for fine-tuning, those of the head
losses           [n], the median of the sweeps: smoothed training loss, with augmentation, dropout, label smoothing
lowest, highest  [n], the lowest and the highest of the sweeps
diverged         whether a sweep ended before its last learning rate because its loss diverged
suggestions      {"valley", "steepest", "minimum_tenth"}, each a learning rate (see `Suggestions`)
agree            whether the largest of them is at most three times the smallest
suggestion       the learning rate that is used with `auto_lr`
rule             how it was chosen: `mean`, `edge` or `recipe` (see `choose_lr`)
seconds          wall time of the sweeps
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from trainer.atomic import atomic_write_text
from trainer.training.lr_find.suggestions import MAX_DISAGREEMENT, Rule, Suggestions, choose_lr, read_suggestions
from trainer.training.lr_find.sweep import SweepCurve

Stage = Literal["head", "finetune"]

_RULES: Mapping[Rule, str] = {
    "mean": "their geometric mean",
    "edge": "the learning rate at which the loss starts to rise, because it hardly falls",
    "recipe": "the recipe's learning rate, because the loss neither falls nor rises",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class LRFindResult:
    """What was found for one stage; see the module."""

    curve: SweepCurve
    suggestions: Suggestions
    suggestion: float
    rule: Rule

    @classmethod
    def of(cls, curve: SweepCurve, *, recipe_lr: float) -> LRFindResult:
        """Read a curve. `recipe_lr` is used if the curve says nothing."""
        suggestion, rule = choose_lr(curve, recipe_lr=recipe_lr)
        return cls(curve=curve, suggestions=read_suggestions(curve), suggestion=suggestion, rule=rule)

    @property
    def named_lrs(self) -> dict[str, float]:
        """Each suggestion under the name that a person reads."""
        return {
            "valley": self.suggestions.valley,
            "steepest": self.suggestions.steepest,
            "minimum / 10": self.suggestions.minimum_tenth,
        }

    @property
    def explanation(self) -> str:
        """Whether the suggestions agree, and how the learning rate was chosen."""
        factor = f"{self.suggestions.disagreement:,.3g}x apart"
        agreement = "agree" if self.suggestions.agree else f"disagree by more than {MAX_DISAGREEMENT:g}x"
        return f"the suggestions {agreement} ({factor}); chosen: {_RULES[self.rule]}"

    @property
    def summary_line(self) -> str:
        """Everything in one line."""
        named = ", ".join(f"{name} {format_lr(lr)}" for name, lr in self.named_lrs.items())
        return (
            f"learning rate {format_lr(self.suggestion)}, from sweeps of {self.curve.seconds:.1f} s: {named}; "
            f"{self.explanation}"
        )

    def table(self, stage: str) -> list[str]:
        """Everything in lines for people: first what to do, then the numbers."""
        advice = format_lr(self.suggestion) if self.is_clear else "not clear; keep the default learning rate"
        return [
            f"{stage}: {advice}",
            *(f"  {name:<14}{format_lr(lr)}" for name, lr in (self.named_lrs | {"chosen": self.suggestion}).items()),
            f"  {self.explanation}; sweeps of {self.curve.seconds:.1f} s",
        ]

    @property
    def is_clear(self) -> bool:
        """Whether the loss fell, and the suggestions agree."""
        return self.rule == "mean" and self.suggestions.agree

    def to_json(self) -> dict[str, Any]:
        """As in lr_find.json."""
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
        """Read what `to_json` gave."""
        return cls(
            curve=SweepCurve(
                lrs=np.array(values["lrs"]),
                losses=np.array(values["losses"]),
                lowest=np.array(values["lowest"]),
                highest=np.array(values["highest"]),
                diverged=values["diverged"],
                seconds=values["seconds"],
            ),
            suggestions=Suggestions(**values["suggestions"]),
            suggestion=values["suggestion"],
            rule=values["rule"],
        )


def format_lr(lr: float, *, digits: int = 1) -> str:
    """A learning rate as people write it: `4.8e-3`."""
    mantissa, exponent = f"{lr:.{digits}e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def write_lr_find(path: Path, found: Mapping[Stage, LRFindResult]) -> None:
    """Write lr_find.json; replaces the file."""
    with atomic_write_text(path) as file:
        json.dump({stage: result.to_json() for stage, result in found.items()}, file, indent=1, allow_nan=False)


def read_lr_find(path: Path) -> dict[Stage, LRFindResult]:
    """Read what `write_lr_find` wrote; empty if there is no such file."""
    if not path.exists():
        return {}
    values = json.loads(path.read_text(encoding="utf-8"))
    return {stage: LRFindResult.from_json(result) for stage, result in values.items()}
