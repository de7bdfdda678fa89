"""What an export starts from."""

from __future__ import annotations

from dataclasses import dataclass

from service.pixels import PixelSpec
from trainer.catalog import Catalog
from trainer.data import PixelSource
from trainer.model import Classifier
from trainer.recipe import Recipe


@dataclass(frozen=True, kw_only=True, eq=False)
class Exportable:
    """A trained classifier and what it was trained on.

    Attributes:
        classifier: The classifier with its best weights.
        pixels: How an image becomes the classifier's input.
        catalog: The readable images.
        valid: The validation images of the catalog, decoded with `pixels`.
        recipe: The settings of the fit.
        unreadable_count: Number of files that could not be decoded and were left out.
        head_trained: Whether the head was first trained alone, on the frozen backbone.
    """

    classifier: Classifier
    pixels: PixelSpec
    catalog: Catalog
    valid: PixelSource
    recipe: Recipe
    unreadable_count: int
    head_trained: bool
