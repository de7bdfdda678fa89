"""What changes from one epoch of the second stage to another: the size of the images, and what is frozen."""

from __future__ import annotations

from dataclasses import dataclass

from trainer.recipe import FinetuneRecipe
from trainer.recipe_freezing import frozen_in, parse_freeze
from trainer.training.sizes import parse_sizes


@dataclass(frozen=True, kw_only=True)
class Phase:
    """An epoch's size, side of the training crops in pixels, and the groups that learn nothing in it."""

    size: int
    frozen: frozenset[str]

    def __str__(self) -> str:
        return f"{self.size} pixels" + "".join(f", {name} frozen" for name in sorted(self.frozen))


class Phases:
    """The phases of a stage, epoch by epoch; the first epoch is 0.

    size  of the training crops where the stage does not name sizes
    """

    def __init__(self, stage: FinetuneRecipe, *, size: int) -> None:
        self._plain = Phase(size=size, frozen=frozenset())
        self._sizes = parse_sizes(stage.sizes) or [size] * stage.epochs
        self._frozen = parse_freeze(stage.freeze)

    def __getitem__(self, epoch: int) -> Phase:
        return Phase(size=self._sizes[epoch], frozen=frozen_in(epoch, self._frozen))

    def begins(self, epoch: int) -> bool:
        """Whether an epoch is another than the one before, or, of the first, than one where nobody asked for any."""
        return self[epoch] != (self[epoch - 1] if epoch else self._plain)
