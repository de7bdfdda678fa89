"""Progressive resizing: first epochs on smaller images, which cost less."""

from __future__ import annotations

import torch

from trainer.errors import RecipeError
from trainer.model import Backbone

_CROP_STEP = 32
_LEAST, _MOST = 16, 1024


def parse_sizes(text: str) -> list[int]:
    """`128:3,224:2` -> the side of the training crops in each epoch, pixels: [128, 128, 128, 224, 224].

    Raises RecipeError where it is none.
    """
    sizes: list[int] = []
    for part in filter(None, text.replace(" ", "").split(",")):
        size, _, epochs = part.partition(":")
        if not all(number.isascii() and number.isdigit() for number in (size, epochs)):
            raise RecipeError(f"finetune.sizes is {text!r}; give SIZE:EPOCHS with commas between, such as 128:3,224:2")
        if not _LEAST <= int(size) <= _MOST or not 1 <= int(epochs) <= 10_000:
            raise RecipeError(
                f"finetune.sizes is {text!r}; a size must be from {_LEAST} to {_MOST}, its epochs from 1 to 10000"
            )
        sizes += [int(size)] * int(epochs)
    return sizes


def require_sizes(sizes: list[int], backbone: Backbone) -> None:
    """Raise RecipeError where the backbone does not take images of one of these sizes: it is tried."""
    if sizes and backbone.fixed_input_size:
        raise RecipeError(f"{backbone.name} takes images of {backbone.pixels.size} pixels only; leave --sizes out")
    backbone.body.eval()
    for size in sorted(set(sizes)):
        try:
            with torch.no_grad():
                backbone.body(torch.zeros(1, 3, size, size))
        except Exception as error:  # whatever a network of another library raises for a size that it does not take
            reason = " ".join(str(error).split())[:200]
            raise RecipeError(
                f"{backbone.name} does not take images of {size} pixels ({reason}); "
                f"give --sizes that are multiples of {_CROP_STEP}"
            ) from error


def training_size(backbone: Backbone, share: float) -> int:
    """Split of the training crops where no sizes are named, pixels: that of `crop_size` where the backbone takes it."""
    size = backbone.pixels.size
    return size if backbone.fixed_input_size else crop_size(size, share)


def crop_size(size: int, share: float) -> int:
    """Split of the training crops, pixels: a share of the model's, to a multiple of 32 (networks halve five times)."""
    if share == 1:
        return size
    return max(_CROP_STEP, round(size * share / _CROP_STEP) * _CROP_STEP)
