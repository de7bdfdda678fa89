"""Which parameter groups learn nothing at first, and for how long."""

from __future__ import annotations

import math

from trainer.errors import RecipeError
from trainer.model import PARAMETER_GROUPS


def parse_freeze(text: str) -> dict[str, float]:
    """`early:2,late:1` -> group -> its first so many epochs learn nothing; `early` alone: none of its epochs learns.

    Raises RecipeError where it is none, or nothing at all would learn.
    """
    frozen: dict[str, float] = {}
    for part in filter(None, text.replace(" ", "").split(",")):
        name, colon, epochs = part.partition(":")
        if name not in PARAMETER_GROUPS or name in frozen or (colon and not _is_count(epochs)):
            raise RecipeError(
                f"finetune.freeze is {text!r}; give groups ({', '.join(PARAMETER_GROUPS)}), each once, with the "
                "number of epochs that it is frozen for, such as early:2,late:1; without a number it is frozen for all "
                "of them"
            )
        frozen[name] = int(epochs) if colon else math.inf
    if len(frozen) == len(PARAMETER_GROUPS):
        raise RecipeError(f"finetune.freeze is {text!r}: every group is frozen, nothing would learn; leave one out")
    return frozen


def frozen_in(epoch: int, frozen: dict[str, float]) -> frozenset[str]:
    """The groups that learn nothing in an epoch; the first is 0."""
    return frozenset(name for name, epochs in frozen.items() if epoch < epochs)


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and int(text) > 0
