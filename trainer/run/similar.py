"""Validation images that no training image resembles: near duplicates share a split."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from service.pixels import PixelSpec
from trainer.catalog import Catalog
from trainer.data import cache_spec, hash_and_decode
from trainer.diagnosis import embed_images
from trainer.diagnosis.near_duplicates import near_duplicate_groups
from trainer.errors import CatalogError
from trainer.run.environment import Environment

# A little below `NEAR_DUPLICATE_SIMILARITY`, so that the diagnosis finds no near duplicates in two splits.
_LINK_SIMILARITY = 0.7


def group_similar(catalog: Catalog, pixels: PixelSpec, environment: Environment) -> Catalog:
    """Draw the validation images of a catalog again, so that near duplicates share a split.

    Files that cannot be decoded are groups of their own; `prepare` leaves them out.

    Args:
        catalog: Its validation images were drawn.
        pixels: How the service decodes an image.
        environment: Where images are decoded and compared.

    Raises:
        CatalogError: Nothing could be held out.
        ValueError: The validation images were not drawn.
        CacheError: The cache cannot be written.
    """
    if catalog.drawn is None:
        raise ValueError("the validation images of this catalog were not drawn")
    rows = (*catalog.split("train"), *catalog.split("valid"))
    decoded, images, unreadable = hash_and_decode(catalog, rows, cache_spec(pixels), decoding=environment.decoding)
    embeddings = embed_images(
        images,
        images.select([]),
        pixels,
        device=environment.device,
        progress=environment.progress,
    )
    groups = near_duplicate_groups(embeddings, threshold=_LINK_SIMILARITY).tolist()
    grouped = (replace(row, group=f"similar {group}") for row, group in zip(decoded, groups, strict=True))
    found = [size for size in Counter(groups).values() if size > 1]
    environment.progress.info(
        f"near duplicates: {sum(found):,} of {len(rows):,} images, in {len(found):,} groups; each stays in one split"
    )
    drawn = catalog.drawn.apply((*grouped, *unreadable, *catalog.split("test")))
    if not any(row.split == "valid" for row in drawn):
        raise CatalogError(
            f"{catalog.source}: nothing can be held out for validation, because the images of each class are near "
            "duplicates of each other; leave out `group_by`, or give validation images with `valid`."
        )
    return replace(catalog, rows=drawn)
