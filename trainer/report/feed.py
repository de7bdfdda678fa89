"""What a training feeds the network, image by image, as tiles of a contact sheet.

Nothing is drawn here that training would draw differently: crops, rotations and lighting come from `augment` with the
seed, the epoch and the number of the sample, mixed images from `Batches`, validation images from `service.pixels.load`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from service.inputs import read_bytes
from service.pixels import ImageError, Picture, PixelSpec, UInt8Array, load
from trainer.catalog import Catalog, Row
from trainer.catalog.labels import natural_key
from trainer.data import PixelCache, StreamedImages, TrainingData, augment, cache_spec, crop_corners
from trainer.errors import CatalogError
from trainer.recipe import Recipe
from trainer.report.formatting import percent
from trainer.report.outline import outline_crop
from trainer.training.batches import Batches
from trainer.training.head import FIRST_VIEW
from trainer.training.phases import crop_sizes
from trainer.training.session import Session

_MAX_LABELS = 6  # in a title
_VISIBLE = 0.005  # fraction of a label that rounds to 1 %
_MAX_ATTEMPTS = 100  # to decode all images of the first step


@dataclass(frozen=True, kw_only=True, eq=False)
class Tile:
    """One image of the sheet.

    Attributes:
        title: Its labels, or the epoch.
        labels: Its labels, in natural order.
        path: Path of the image, from the catalog's root; empty if it is mixed from two, or the only one of the sheet.
        pixels: uint8 [size, size, 3]: what the network is fed.
        original: uint8 [H, W, 3]: the whole upright image, reduced, with the crop drawn on it; None: not shown.
    """

    title: str
    labels: tuple[str, ...]
    path: str
    pixels: UInt8Array
    original: UInt8Array | None = None


def train_view(picture: Picture, sample: int, recipe: Recipe, *, size: int, epoch: int) -> UInt8Array:
    """A training image as an epoch shows it.

    Args:
        picture: The image, decoded with `cache_spec`.
        sample: Its position among the training images.
        recipe: Gives the augmentation and the seed.
        size: Side of the crop, pixels.
        epoch: From 0.

    Returns:
        uint8 [size, size, 3].
    """
    view = augment(
        torch.tensor(picture.pixels)[None],
        _aspect(picture),
        np.array([sample]),
        size=size,
        settings=recipe.augmentation,
        seed=recipe.seed,
        epoch=epoch,
    )[0]
    return _as_image(view)


class Feed:
    """What a training with this recipe is fed from a catalog."""

    def __init__(self, catalog: Catalog, recipe: Recipe, pixels: PixelSpec, broken: Collection[Row]) -> None:
        self._catalog = catalog
        self._recipe = recipe
        self._pixels = pixels
        self._sizes = crop_sizes(recipe.finetune, pixels.size)
        self._broken = {row.path for row in broken}
        self._number()

    def _number(self) -> None:
        """Number the training images as `fit` does, which leaves out what cannot be decoded."""
        self._rows = [row for row in self._catalog.split("train") if row.path not in self._broken]
        self._sample = {row.path: sample for sample, row in enumerate(self._rows)}

    def size(self, view: int) -> int:
        """Side of the crops, pixels."""
        return self._sizes[min(view, len(self._sizes) - 1)] if self._sizes else self._pixels.size

    def epoch_text(self, view: int) -> str:
        """What a view is called."""
        return f"epoch {view + 1}" if self._sizes else f"view {view + 1} of the head stage"

    def train_tile(self, row: Row, picture: Picture, view: int, *, only_one: bool = False) -> Tile:
        """An image as an epoch of fine-tuning shows it, or a view of the head stage if that is all there is."""
        sample, epoch = self._sample.get(row.path, 0), view if self._sizes else FIRST_VIEW + view
        (corners,) = crop_corners(
            _aspect(picture),
            np.array([sample]),
            settings=self._recipe.augmentation,
            seed=self._recipe.seed,
            epoch=epoch,
        )
        return Tile(
            title=self.epoch_text(view).capitalize() if only_one else title_of(row),
            labels=_labels(row),
            path="" if only_one else row.path,
            pixels=train_view(picture, sample, self._recipe, size=self.size(view), epoch=epoch),
            original=outline_crop(read_image(self._catalog, row), corners),
        )

    def valid_tile(self, row: Row, picture: Picture) -> Tile:
        """An image as it is validated and served."""
        left, top, right, bottom = np.array(picture.box) / ((picture.width, picture.height) * 2)
        corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], dtype=np.float32)
        return Tile(
            title=title_of(row),
            labels=_labels(row),
            path=row.path,
            pixels=picture.pixels,
            original=outline_crop(read_image(self._catalog, row), corners),
        )

    def mixed_tiles(self, count: int) -> tuple[Tile, ...]:
        """Images of the first step, mixed."""
        for _ in range(_MAX_ATTEMPTS):
            data, session = self._empty_data(), Session(device=torch.device("cpu"), images=_NO_IMAGES)
            (samples, *_) = Batches(data, self._recipe, session).of_epoch(0)
            positions = np.unique(samples % len(self._rows))
            decoded, broken = decode_first(
                self._catalog,
                [self._rows[position] for position in positions],
                cache_spec(self._pixels),
                len(positions),
            )
            if not broken:
                break
            self._broken |= {row.path for row in broken}
            self._number()
        else:
            return ()
        pictures = [picture for _, picture in decoded]
        slots, aspects = np.full(len(self._rows), -1, dtype=np.int64), np.ones(len(self._rows), dtype=np.float32)
        slots[positions] = np.arange(len(positions))
        aspects[positions] = np.concatenate([_aspect(picture) for picture in pictures])
        train = PixelCache(
            pixels=np.stack([picture.pixels for picture in pictures]),
            slots=slots,
            aspects=aspects,
            errors={},
        )
        session = Session(device=session.device, images=StreamedImages(train, session.device))
        batches = Batches(replace(data, train=train), self._recipe, session)
        mix = batches.draw_mix(0, len(samples), size=self.size(0))
        if mix is None:
            return ()
        shown = batches.load(samples, slice(0, len(samples)), mix=mix, epoch=0, size=self.size(0))
        rows = [self._rows[position] for position in samples % len(self._rows)]
        # In a step images are in the order of their files: neighbours are often of one class.
        chosen = np.linspace(0, len(samples) - 1, min(count, len(samples))).round().astype(np.int64).tolist()
        return tuple(
            Tile(
                title=_mixed_title(rows[number], rows[mix.partners[number]], float(mix.lam[number])),
                labels=tuple(sorted(rows[number].labels | rows[mix.partners[number]].labels, key=natural_key)),
                path="",
                pixels=_as_image(shown.pixels[number]),
            )
            for number in chosen
        )

    def _empty_data(self) -> TrainingData:
        """The training images without their pixels: enough to draw which of them a step has."""
        count, catalog = len(self._rows), self._catalog
        slots, aspects = np.full(count, -1, dtype=np.int64), np.ones(count, dtype=np.float32)
        nothing = np.empty((0, 1, 1, 3), np.uint8)
        train = PixelCache(pixels=nothing, slots=slots, aspects=aspects, errors={})
        return TrainingData(
            task=catalog.task,
            class_count=len(catalog.classes),
            coarse_indices=catalog.coarse_indices,
            train=train,
            train_targets=catalog.targets(self._rows),
            valid=train.select([]),
            valid_targets=catalog.targets([]),
            subset=train.select([]),
            subset_positions=np.empty(0, dtype=np.int64),
        )


class _NoImages:
    """A source of images that is never asked."""

    def batch(self, positions: npt.NDArray[np.int64]) -> torch.Tensor:
        """See `Images.batch`."""
        raise NotImplementedError

    def prefetch(self, positions: Iterable[int]) -> None:
        """See `Images.prefetch`."""


_NO_IMAGES = _NoImages()


def decode_first(
    catalog: Catalog, rows: Iterable[Row], spec: PixelSpec, count: int
) -> tuple[list[tuple[Row, Picture]], list[Row]]:
    """The first `count` rows that can be decoded, with their pictures; and those before them that cannot."""
    decoded: list[tuple[Row, Picture]] = []
    broken: list[Row] = []
    for row in rows:
        if len(decoded) == count:
            break
        try:
            decoded.append((row, load(read_image(catalog, row), spec)))
        except (ImageError, OSError):
            broken.append(row)
    return decoded, broken


def read_image(catalog: Catalog, row: Row) -> bytes:
    """The bytes of a row's file; raises CatalogError if they are not those that were read before."""
    path = catalog.file_of(row)
    data = read_bytes(path)
    if row.sha256 not in (None, hashlib.sha256(data).hexdigest()):
        raise CatalogError(f"{path} was changed while it was being read; start again when it no longer changes")
    return data


def _as_image(view: torch.Tensor) -> UInt8Array:
    """float32 [3, S, S] in 0..255 -> uint8 [S, S, 3]."""
    return np.asarray(view.permute(1, 2, 0).round().to(torch.uint8))


def _aspect(picture: Picture) -> npt.NDArray[np.float32]:
    return np.array([picture.width / picture.height], dtype=np.float32)


def _labels(row: Row) -> tuple[str, ...]:
    return tuple(sorted(row.labels, key=natural_key))


def title_of(row: Row) -> str:
    """The labels of an image, as a title."""
    labels = _labels(row)
    more = f" and {len(labels) - _MAX_LABELS} more" if len(labels) > _MAX_LABELS else ""
    return (", ".join(labels[:_MAX_LABELS]) or "no label") + more


def _mixed_title(own: Row, partner: Row, lam: float) -> str:
    first, second = sorted(((lam, title_of(own)), (1 - lam, title_of(partner))), reverse=True)
    if own.labels == partner.labels or second[0] < _VISIBLE:
        return first[1]
    return f"{percent(first[0], 0)} {first[1]} + {percent(second[0], 0)} {second[1]}"
