"""A contact sheet: what the network is fed, beside the images that it is made from."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from service.pixels import ImageError, Picture, PixelSpec, load
from trainer.catalog import Catalog, Row
from trainer.catalog.row import Split
from trainer.data import cache_spec
from trainer.errors import CatalogError
from trainer.recipe import Recipe
from trainer.report.feed import Feed, Tile, decode_first, read_image, title_of

VIEWS = 9  # of a single image

_SPLITS: Mapping[Split, str] = {"train": "training", "valid": "validation", "test": "test"}
_RANDOM_STREAM = 101  # no stage of the training draws random numbers from this stream


@dataclass(frozen=True, kw_only=True, eq=False)
class Section:
    """Tiles with a heading, and a sentence or two about what they show."""

    heading: str
    lead: str
    tiles: tuple[Tile, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class ContactSheet:
    """A page of sections.

    Attributes:
        name: Of the images.
        lead: What was read.
        sections: At least one.
    """

    name: str
    lead: str
    sections: tuple[Section, ...]

    def to_json(self) -> dict[str, Any]:
        """What is shown, without the pixels."""
        return {
            section.heading.lower().replace(" ", "_"): [
                {"title": tile.title, "labels": list(tile.labels), "path": tile.path} for tile in section.tiles
            ]
            for section in self.sections
        }


def draw_contact_sheet(
    catalog: Catalog, recipe: Recipe, pixels: PixelSpec, *, count: int, class_name: str | None = None
) -> ContactSheet:
    """Draw training and validation images, of different classes if possible; mixed ones, too, if the recipe mixes.

    Args:
        catalog: The images. Those that cannot be decoded are skipped.
        recipe: What would be trained; its seed also chooses the images.
        pixels: Input of the model.
        count: Number of images of each split, if there are as many.
        class_name: Only images with this label.

    Raises:
        CatalogError: There is no such class, or none of the training images can be decoded.
    """
    if class_name is not None:
        _require_class(catalog, class_name)
    train, broken = decode_first(catalog, _choose(catalog, "train", recipe, class_name), cache_spec(pixels), count)
    if not train:
        of_class = f" of the class {class_name!r}" if class_name is not None else ""
        raise CatalogError(
            f"{catalog.root}: none of the training images{of_class} can be decoded; give images in an accepted format"
        )
    feed = Feed(catalog, recipe, pixels, broken)
    valid, _ = decode_first(catalog, _choose(catalog, "valid", recipe, class_name), pixels, count)
    mixes = recipe.finetune.epochs and (recipe.finetune.mixup or recipe.finetune.cutmix) and class_name is None
    mixed = feed.mixed_tiles(count) if mixes else ()  # first: it may find images that cannot be decoded
    sections = [
        Section(
            heading="Training images",
            lead=f"As {feed.epoch_text(0)} shows them, {feed.size(0)} x {feed.size(0)} pixels, beside the "
            "originals with the crop that is taken. Each epoch shows other views.",
            tiles=tuple(feed.train_tile(row, picture, 0) for row, picture in train),
        )
    ]
    if mixed:
        names = " and ".join(name for name in ("mixup", "cutmix") if getattr(recipe.finetune, name))
        sections.append(
            Section(heading="Mixed images", lead=f"From the first step of epoch 1, after {names}.", tiles=mixed)
        )
    if valid:
        sections.append(_valid_section(feed, valid))
    return ContactSheet(name=catalog.root.name or "images", lead=catalog.summary, sections=tuple(sections))


def draw_image_sheet(catalog: Catalog, recipe: Recipe, pixels: PixelSpec, *, row: Row) -> ContactSheet:
    """Draw one image as nine epochs show it, and as it would be validated and served.

    Args:
        catalog: The images.
        recipe: What would be trained.
        pixels: Input of the model.
        row: The image.

    Raises:
        CatalogError: It cannot be decoded.
    """
    try:
        picture, served = (load(read_image(catalog, row), spec) for spec in (cache_spec(pixels), pixels))
    except ImageError as error:
        raise CatalogError(f"{row.path}: {error}") from error
    feed = Feed(catalog, recipe, pixels, ())
    lead = f"The same image in {VIEWS} epochs, beside the original with the crop that is taken."
    if row.split != "train":
        lead += f" It is a {_SPLITS[row.split]} image: this is what augmentation would do to it."
    elif recipe.finetune.epochs < VIEWS:
        lead += f" This recipe has {recipe.finetune.epochs} epochs."
    views = tuple(feed.train_tile(row, picture, view, only_one=True) for view in range(VIEWS))
    return ContactSheet(
        name=row.path.rpartition("/")[2],
        lead=f"{title_of(row)}: {_SPLITS[row.split]} image {row.path}",
        sections=(
            Section(heading="Augmented", lead=lead, tiles=views),
            _valid_section(feed, [(row, served)], "As it is validated and served"),
        ),
    )


def choose_order(rows: Sequence[Row], *, seed: int) -> Iterator[int]:
    """Positions of all rows in random order; rows with the same labels as an earlier one come last."""
    seen: set[frozenset[str]] = set()
    repeated: list[int] = []
    for position in np.random.default_rng((seed, _RANDOM_STREAM)).permutation(len(rows)).tolist():
        if rows[position].labels in seen:
            repeated.append(position)
        else:
            yield position
        seen.add(rows[position].labels)
    yield from repeated


def _valid_section(feed: Feed, decoded: Sequence[tuple[Row, Picture]], heading: str = "Validation images") -> Section:
    size = decoded[0][1].pixels.shape[0]
    return Section(
        heading=heading,
        lead=f"Exactly the {size} x {size} pixels that validation and the service use, beside the original.",
        tiles=tuple(feed.valid_tile(row, picture) for row, picture in decoded),
    )


def _choose(catalog: Catalog, split: str, recipe: Recipe, class_name: str | None) -> Iterator[Row]:
    rows = [row for row in catalog.rows if row.split == split and (class_name is None or class_name in row.labels)]
    return (rows[position] for position in choose_order(rows, seed=recipe.seed))


def _require_class(catalog: Catalog, class_name: str) -> None:
    if class_name not in catalog.classes:
        close = difflib.get_close_matches(class_name, catalog.classes, n=1, cutoff=0.5)
        hint = f"did you mean {close[0]!r}?" if close else f"the first one is {catalog.classes[0]!r}"
        raise CatalogError(
            f"{catalog.root}: none of its {len(catalog.classes):,} classes is called {class_name!r}; {hint}"
        )
