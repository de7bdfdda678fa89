"""What changes between the epochs of fine-tuning: the size of the training images, and which groups are frozen."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from trainer.errors import RecipeError

# From the input to the output of a network, each with its own learning rate; see `trainer.model.parameter_groups`.
PARAMETER_GROUPS = ("early", "late", "head")
_SMALLEST_SIZE = 16
_LARGEST_SIZE = 1024
_MOST_EPOCHS = 10_000


@dataclass(frozen=True)
class Sizes:
    """Progressive resizing: smaller images first, which cost less.

    Attributes:
        steps: (side of the training crops in pixels, number of epochs), in order; empty: one size throughout.
    """

    steps: tuple[tuple[int, int], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Sizes:
        """Read `128:3,224:2`. Raises RecipeError if it is not of this form."""
        steps: list[tuple[int, int]] = []
        for part in filter(None, text.replace(" ", "").split(",")):
            size, _, epochs = part.partition(":")
            if not (_is_number(size) and _is_number(epochs)):
                raise RecipeError(
                    f"finetune.sizes is {text!r}; give SIZE:EPOCHS separated by commas, such as 128:3,224:2"
                )
            if not _SMALLEST_SIZE <= int(size) <= _LARGEST_SIZE or not 1 <= int(epochs) <= _MOST_EPOCHS:
                raise RecipeError(
                    f"finetune.sizes is {text!r}; a size must be from {_SMALLEST_SIZE} to {_LARGEST_SIZE}, "
                    f"its epochs from 1 to {_MOST_EPOCHS}"
                )
            steps.append((int(size), int(epochs)))
        return cls(tuple(steps))

    @property
    def epochs(self) -> int:
        """Number of epochs of all steps together."""
        return sum(epochs for _, epochs in self.steps)

    def by_epoch(self) -> list[int]:
        """Side of the training crops in each epoch, pixels; empty if there is one size throughout."""
        return [size for size, epochs in self.steps for _ in range(epochs)]

    def __bool__(self) -> bool:
        return bool(self.steps)

    def __str__(self) -> str:
        return ",".join(f"{size}:{epochs}" for size, epochs in self.steps)


@dataclass(frozen=True)
class Freeze:
    """Parameter groups that are not trained at first.

    Attributes:
        epochs: Group -> the number of first epochs in which it is frozen; infinite: in all of them.
    """

    epochs: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Freeze:
        """Read `early:2,late:1`; `early` alone is frozen in every epoch.

        Raises:
            RecipeError: It is not of this form, or every group would be frozen.
        """
        epochs: dict[str, float] = {}
        for part in filter(None, text.replace(" ", "").split(",")):
            name, colon, count = part.partition(":")
            if name not in PARAMETER_GROUPS or name in epochs or (colon and not (_is_number(count) and int(count))):
                raise RecipeError(
                    f"finetune.freeze is {text!r}; give groups ({', '.join(PARAMETER_GROUPS)}), each once, with the "
                    "number of epochs that it is frozen for, such as early:2,late:1; without a number it is frozen in "
                    "every epoch"
                )
            epochs[name] = int(count) if colon else math.inf
        if len(epochs) == len(PARAMETER_GROUPS):
            raise RecipeError(f"finetune.freeze is {text!r}: nothing would be trained; leave one group out")
        return cls(epochs)

    def frozen_in(self, epoch: int) -> frozenset[str]:
        """The groups that are frozen in an epoch; the first epoch is 0."""
        return frozenset(name for name, epochs in self.epochs.items() if epoch < epochs)

    def __bool__(self) -> bool:
        return bool(self.epochs)

    def __str__(self) -> str:
        return ",".join(name if epochs == math.inf else f"{name}:{epochs}" for name, epochs in self.epochs.items())


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
