"""Training images as the service sees them: what a run has learned."""

from __future__ import annotations

import functools
from collections.abc import Callable

from service.pixels import PixelSpec
from trainer.catalog import Catalog
from trainer.data import decode_learned
from trainer.export import LearnedImages
from trainer.recipe import Recipe
from trainer.run.environment import Environment


def learned_images(
    catalog: Catalog, pixels: PixelSpec, recipe: Recipe, environment: Environment, *, hashed: bool
) -> Callable[[], LearnedImages]:
    """Return a function that decodes some training images when it is called, the first time alone.

    Args:
        catalog: Of the run.
        pixels: How the model sees an image.
        recipe: Of the run.
        environment: Where decoded images are kept.
        hashed: Whether the hashes in the catalog are up to date.
    """

    @functools.cache
    def decode() -> LearnedImages:
        rows, images = decode_learned(catalog, pixels, seed=recipe.seed, decoding=environment.decoding, hashed=hashed)
        return LearnedImages(pixels=images, targets=catalog.targets(rows))

    return decode
