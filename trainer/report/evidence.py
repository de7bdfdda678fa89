"""The evidence of a finding, in words and percent, and lists that can be opened in full."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainer.report.formatting import compact, humanize, percent

_SHOWN_ITEMS = 6  # of a list, before it is opened

# Key of diagnosis.json -> its words. What is not here has a key of plain words.
_WORDS = {
    "accuracy_with_near_duplicate": "correct, with a near duplicate",
    "accuracy_without": "correct, without one",
    "chance_loss": "loss of guessing",
    "classes_among_training_images": "classes",
    "classes_among_validation_images": "classes",
    "epochs_getting_worse": "epochs that made it worse",
    "fall_in_last_third": "fall of the training loss in the last third of the epochs",
    "favoured_classes": "predicted classes",
    "final_train_error": "training images predicted wrong at the end",
    "final_train_loss": "training loss at the end",
    "final_valid_error": "validation images predicted wrong at the end",
    "fraction": "of the validation images",
    "fraction_of_predictions": "of all predictions",
    "highest_suggested_lr": "highest suggested learning rate",
    "interval": "95 % interval",
    "kept_epoch": "epoch that was kept",
    "lowest_suggested_lr": "lowest suggested learning rate",
    "lowest_valid_error": "validation images predicted wrong at best",
    "max_lr": "highest learning rate",
    "never_predicted": "never predicted",
    "pairs": "most similar pairs",
    "recall_of_other_classes": "recall of the other classes",
    "start_train_loss": "training loss at the start",
    "step_loss_after": "loss of the steps, after it rose",
    "step_loss_before": "loss of the steps, before it rose",
    "taken_classes": "classes",
    "training_fraction": "of the training images",
    "training_suspects": "suspicious training images",
    "validation_fraction": "of the validation images",
    "validation_suspects": "suspicious validation images",
    "worst": "most suspicious",
}
_FRACTIONS = ("accuracy", "error", "fall", "fraction", "interval", "recall")  # words of keys whose values are fractions


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One piece of evidence.

    Attributes:
        name: In words.
        value: In words; empty for a list.
        items: The first items of a list.
        more: The other items of it.
    """

    name: str
    value: str = ""
    items: Sequence[str] = ()
    more: Sequence[str] = ()


def facts_of(evidence: Mapping[str, Any]) -> list[Fact]:
    """Put the evidence of a finding, as diagnosis.json has it, into words."""
    return [_fact(key, value) for key, value in evidence.items()]


def _fact(key: str, value: Any) -> Fact:
    name = humanize(_WORDS.get(key, key))
    if key == "interval":
        return Fact(name=name, value=" to ".join(percent(bound) for bound in value))
    if isinstance(value, Sequence) and not isinstance(value, str):
        items = [compact(item) for item in value]
        return Fact(name=name, items=items[:_SHOWN_ITEMS], more=items[_SHOWN_ITEMS:])
    is_fraction = isinstance(value, float) and any(word in _FRACTIONS for word in key.split("_"))
    return Fact(name=name, value=percent(value) if is_fraction else compact(value))
