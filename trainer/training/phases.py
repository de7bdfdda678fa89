"""What changes between the epochs of fine-tuning, and whether a backbone can be trained so."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch

from trainer.data import TrainingData
from trainer.errors import RecipeError
from trainer.model import Backbone
from trainer.recipe import FinetuneRecipe, Recipe

_CROP_STEP = 32  # networks halve the size of an image five times


@dataclass(frozen=True, kw_only=True)
class Phase:
    """What holds in one epoch.

    Attributes:
        size: Side of the training crops, pixels.
        frozen: Parameter groups that are not trained.
    """

    size: int
    frozen: frozenset[str]

    def __str__(self) -> str:
        return f"{self.size} pixels" + "".join(f", {name} frozen" for name in sorted(self.frozen))


class Phases:
    """The phase of each epoch of fine-tuning; the first epoch is 0."""

    def __init__(self, recipe: FinetuneRecipe, data: TrainingData) -> None:
        size = model_size(data)
        self._default = Phase(size=crop_size(size, recipe.crop_scale), frozen=frozenset())
        self._sizes = crop_sizes(recipe, size)
        self._freeze = recipe.freeze

    def __getitem__(self, epoch: int) -> Phase:
        return Phase(size=self._sizes[epoch], frozen=self._freeze.frozen_in(epoch))

    def changes_at(self, epoch: int) -> bool:
        """Whether this epoch differs from the one before; for the first, from one without sizes and freezing."""
        return self[epoch] != (self[epoch - 1] if epoch else self._default)


def model_size(data: TrainingData) -> int:
    """Side of the model's input, pixels."""
    return data.valid.size


def crop_sizes(recipe: FinetuneRecipe, size: int) -> list[int]:
    """Side of the training crops in each epoch, pixels; `size` is that of the model's input."""
    return recipe.sizes.by_epoch() or [crop_size(size, recipe.crop_scale)] * recipe.epochs


def crop_size(size: int, scale: float) -> int:
    """Side of the training crops, pixels: a fraction of the model's side, rounded to a multiple of 32."""
    if scale == 1:
        return size
    return max(_CROP_STEP, round(size * scale / _CROP_STEP) * _CROP_STEP)


def for_backbone(recipe: Recipe, backbone: Backbone) -> Recipe:
    """The recipe as this backbone can follow it: one that accepts a single size is not given smaller crops."""
    if not backbone.fixed_input_size:
        return recipe
    return dataclasses.replace(recipe, finetune=dataclasses.replace(recipe.finetune, crop_scale=1.0))


def trains_head(recipe: Recipe, backbone: Backbone) -> bool:
    """Whether there is a head stage: random weights give no features to train a head on."""
    return recipe.head.epochs > 0 and backbone.pretrained


def require_trainable(recipe: Recipe, backbone: Backbone) -> None:
    """Check a recipe with its backbone, before any image is read.

    Raises:
        RecipeError: Neither stage would run, the head would never be trained, or the backbone does not accept one of
            the sizes.
    """
    _require_sizes(recipe.finetune.sizes.by_epoch(), backbone)
    if trains_head(recipe, backbone):
        return
    if not recipe.finetune.epochs:
        raise RecipeError(
            "nothing would be trained: finetune.epochs is 0, and the head alone is only trained on pretrained weights "
            "and if head.epochs is more than 0"
        )
    freeze = recipe.finetune.freeze
    if "head" in freeze.frozen_in(recipe.finetune.epochs - 1):
        raise RecipeError(
            f"the head would never be trained: finetune.freeze is {str(freeze)!r}, and there is a head stage only with "
            "pretrained weights and if head.epochs is more than 0"
        )


def _require_sizes(sizes: list[int], backbone: Backbone) -> None:
    if sizes and backbone.fixed_input_size:
        raise RecipeError(f"{backbone.name} accepts only images of {backbone.pixels.size} pixels; leave out `sizes`")
    backbone.body.eval()
    for size in sorted(set(sizes)):
        try:
            with torch.no_grad():
                backbone.body(torch.zeros(1, 3, size, size))
        except Exception as error:  # a network of another library may raise anything for a size that it does not accept
            reason = " ".join(str(error).split())[:200]
            raise RecipeError(
                f"{backbone.name} does not accept images of {size} pixels ({reason}); "
                f"give `sizes` that are multiples of {_CROP_STEP}"
            ) from error
