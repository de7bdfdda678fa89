"""What an export starts from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from service.pixels import PixelSpec
from trainer.catalog import Catalog
from trainer.data import PixelSource
from trainer.model import Classifier
from trainer.recipe import Recipe


@dataclass(frozen=True, kw_only=True, eq=False)
class LearnedImages:
    """Training images as the service sees them.

    Attributes:
        pixels: N images.
        targets: int64 [N], or float32 [N, K] for several labels an image.
    """

    pixels: PixelSource
    targets: npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class Exportable:
    """A trained classifier and what it was trained on.

    Attributes:
        classifier: The classifier with its best weights.
        pixels: How an image becomes the classifier's input.
        catalog: The readable images.
        checked: Images, decoded with `pixels`, for which the exported model must predict the same: the validation
            images, in order; if there are none, some training images.
        learned: Some of the training images.
        recipe: The settings of the fit.
        unreadable_count: Number of files that could not be decoded and were left out.
        head_trained: Whether the head was first trained alone, on the frozen backbone.
    """

    classifier: Classifier
    pixels: PixelSpec
    catalog: Catalog
    checked: PixelSource
    learned: LearnedImages
    recipe: Recipe
    unreadable_count: int
    head_trained: bool
