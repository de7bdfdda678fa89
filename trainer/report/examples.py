"""Training images as the network sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from service.pixels import PixelSpec, UInt8Array, load
from trainer.catalog import Catalog, Row
from trainer.catalog.labels import natural_key
from trainer.data import augment, cache_spec
from trainer.recipe import Recipe
from trainer.report.images import read_image, thumbnail

_EXAMPLES = 12
_ROWS = 2  # of views, and as many columns
_SIDE = 288
# A stream of random numbers that no stage of the training draws from.
_STREAM = 101


@dataclass(frozen=True, kw_only=True)
class Example:
    """One training image; `picture` is the address of a JPEG of several views of it."""

    path: str
    labels: tuple[str, ...]
    picture: str


def draw_examples(catalog: Catalog, recipe: Recipe, pixels: PixelSpec) -> tuple[Example, ...]:
    """A few training images, of different classes where there are some, augmented as the recipe says.

    Raises CatalogError where an image is another than the run saw.
    """
    rows = catalog.split("train")
    return tuple(
        Example(
            path=rows[position].path,
            labels=tuple(sorted(rows[position].labels, key=natural_key)),
            picture=thumbnail(_montage(catalog, rows[position], position, recipe, pixels), side=_SIDE),
        )
        for position in _pick(rows, seed=recipe.seed)
    )


def _pick(rows: Sequence[Row], *, seed: int) -> list[int]:
    """Positions of rows, at random; those that repeat the labels of another come last."""
    seen: set[frozenset[str]] = set()
    fresh: list[int] = []
    repeated: list[int] = []
    for position in np.random.default_rng((seed, _STREAM)).permutation(len(rows)).tolist():
        (repeated if rows[position].labels in seen else fresh).append(position)
        seen.add(rows[position].labels)
        if len(fresh) == _EXAMPLES:
            break
    return [*fresh, *repeated][:_EXAMPLES]


def _montage(catalog: Catalog, row: Row, position: int, recipe: Recipe, pixels: PixelSpec) -> UInt8Array:
    """uint8 [rows * size, rows * size, 3]: the image as the first epochs of the second stage show it."""
    picture = load(read_image(catalog, row), cache_spec(pixels))
    views = [
        augment(
            torch.tensor(picture.pixels)[None],
            np.array([picture.width / picture.height], dtype=np.float32),
            np.array([position]),
            size=pixels.size,
            settings=recipe.augmentation,
            seed=recipe.seed,
            epoch=epoch,
        )[0]
        for epoch in range(_ROWS**2)
    ]
    grid = torch.stack(views).reshape(_ROWS, _ROWS, 3, pixels.size, pixels.size).permute(0, 3, 1, 4, 2)
    side = _ROWS * pixels.size
    return grid.reshape(side, side, 3).round().to(torch.uint8).numpy()
