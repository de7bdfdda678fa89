"""From a catalog to what training learns from: every image is hashed, decoded once, and left out if it cannot be."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from service.bundle.spec import Task
from service.pixels import PixelSpec
from trainer.catalog import Catalog, Row, broken_images, hash_files, require_readable
from trainer.data.cache import CacheFull, Decoding, fill_cache, inspect_images
from trainer.data.housekeeping import format_bytes, max_cache_bytes
from trainer.data.source import PixelSource
from trainer.data.uncached import DecodingWorkers, UncachedPixels
from trainer.recipe import ALLOW_BROKEN

# Training images are kept larger than the model's input, so that a crop of them still has its detail: 288 for 224.
_CACHE_MARGIN = 9 / 7

# To evaluate an image costs about a third of training on it: an eighth of the images adds a few percent to an epoch.
_SUBSET_MIN = 64
_SUBSET_MAX = 512
_SUBSET_DIVISOR = 8

# So many training images show what a network has learned, or so many of each class if that is more.
_LEARNED_IMAGES, _LEARNED_OF_A_CLASS = 2000, 10

# Without validation images, so many training images show that the exported model predicts what the trained one does.
_CHECKED_WITHOUT_VALIDATION = 300


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingData:
    """Images and targets of the train and valid splits. N is the number of images of a split, K of classes.

    Attributes:
        task: `classification` or `multilabel`.
        class_count: K.
        coarse_indices: int64 [K], position of each class's coarse label; [0] without coarse labels.
        train: Whole images, squished to squares, larger than the model's input: see `cache_spec`.
        train_targets: int64 [N] for classification, float32 [N, K] for multilabel.
        valid: Images as the service decodes them.
        valid_targets: As `train_targets`.
        subset: Some training images, decoded as `valid` is, to compute the same metrics on both.
        subset_positions: int64 [M], their positions among the training images, rising.
    """

    task: Task
    class_count: int
    coarse_indices: npt.NDArray[np.int64]
    train: PixelSource
    train_targets: npt.NDArray[Any]
    valid: PixelSource
    valid_targets: npt.NDArray[Any]
    subset: PixelSource
    subset_positions: npt.NDArray[np.int64]

    @property
    def subset_targets(self) -> npt.NDArray[Any]:
        """int64 [M] or float32 [M, K]."""
        return np.asarray(self.train_targets[self.subset_positions])


@dataclass(frozen=True, kw_only=True, eq=False)
class Prepared:
    """A catalog that can be trained on.

    Attributes:
        catalog: The readable images, with their hashes.
        data: Their pixels and targets, in the order of the catalog.
        unreadable: Row -> why it was left out.
        warnings: About them, if they are many.
    """

    catalog: Catalog
    data: TrainingData
    unreadable: dict[Row, str]
    warnings: tuple[str, ...] = ()


def prepare(
    catalog: Catalog,
    pixels: PixelSpec,
    *,
    seed: int,
    decoding: Decoding,
    hashed: bool = False,
    allow_broken: float = ALLOW_BROKEN,
) -> Prepared:
    """Hash and decode the images of the train and valid splits.

    Args:
        catalog: Images with labels and splits.
        pixels: How the service decodes an image.
        seed: Chooses the subset of training images that is evaluated as the validation images are.
        decoding: Where and how.
        hashed: Whether the hashes in the catalog are up to date. Images that the cache holds are then not read.
        allow_broken: Largest fraction of training and validation images that may be undecodable, 0 to 1.

    Returns:
        The readable images; those that cannot be read or decoded are left out.

    Raises:
        BrokenImages: If more of the images cannot be decoded.
        CatalogError: If too few are left.
        CacheError: If the cache cannot be written.
    """
    unreadable: dict[Row, str] = {}
    if not hashed:
        digests, errors = _hash(catalog, catalog.rows, decoding)
        catalog = catalog.with_hashes(digests)
        unreadable = {catalog.rows[position]: reason for position, reason in errors.items()}
    train_rows, valid_rows = (_readable(catalog.split(split), unreadable) for split in ("train", "valid"))
    decoding.progress.start("decode", len(train_rows) + len(valid_rows))
    decoder = _Decoder(catalog, decoding)
    valid = decoder.open(valid_rows, pixels)  # first: if there is little room, these are decoded in every epoch
    train = decoder.open(train_rows, cache_spec(pixels))
    unreadable |= _unreadable(train_rows, train) | _unreadable(valid_rows, valid)
    total = sum(row.split != "test" for row in catalog.rows)
    lost = {row: reason for row, reason in unreadable.items() if row.split != "test"}
    require_readable(total, lost, allow_broken=allow_broken)
    catalog = catalog.without(unreadable.keys())
    kept_train, kept_valid = catalog.split("train"), catalog.split("valid")
    subset_positions = choose_subset(kept_train, seed=seed)
    decoding.progress.start("decode some again", len(subset_positions))
    subset = decoder.open([kept_train[position] for position in subset_positions], pixels)
    decoded = np.array([number for number in range(len(subset)) if number not in subset.errors], dtype=np.int64)
    return Prepared(
        catalog=catalog,
        data=TrainingData(
            task=catalog.task,
            class_count=len(catalog.classes),
            coarse_indices=catalog.coarse_indices,
            train=_select(train, train_rows, kept_train),
            train_targets=catalog.targets(kept_train),
            valid=_select(valid, valid_rows, kept_valid),
            valid_targets=catalog.targets(kept_valid),
            subset=subset.select(decoded.tolist()),
            subset_positions=subset_positions[decoded],
        ),
        unreadable=unreadable,
        warnings=tuple(broken_images(total, lost)),
    )


def prepare_export(
    catalog: Catalog, pixels: PixelSpec, *, seed: int, decoding: Decoding
) -> tuple[tuple[Row, ...], PixelSource]:
    """Hash and decode the images alone on which an exported model is checked.

    These are the validation images. If there are none, it is a sample of at most 300 training images.

    Args:
        catalog: Images with labels and splits.
        pixels: How the service decodes an image.
        seed: Of the fit; chooses the sample.
        decoding: Where and how.

    Returns:
        Their rows with up-to-date hashes, and their pixels.

    Raises:
        CatalogError: If one of them cannot be decoded.
        CacheError: If the cache cannot be written.
    """
    rows = catalog.split("valid") or _sample(catalog.split("train"), seed=seed, count=_CHECKED_WITHOUT_VALIDATION)
    decoded, images, unreadable = hash_and_decode(catalog, rows, pixels, decoding=decoding)
    require_readable(len(rows), unreadable, allow_broken=0)
    return decoded, images


def decode_learned(
    catalog: Catalog, pixels: PixelSpec, *, seed: int, decoding: Decoding, hashed: bool
) -> tuple[tuple[Row, ...], PixelSource]:
    """Decode some training images as the service does: at most 2,000, or 10 of each class if that is more.

    Args:
        catalog: Images with labels and splits.
        pixels: How the service decodes an image.
        seed: Of the fit; chooses the images.
        decoding: Where and how.
        hashed: Whether the hashes in the catalog are up to date.

    Returns:
        Their rows and their pixels; images that cannot be read or decoded are left out.

    Raises:
        CacheError: If the cache cannot be written.
    """
    train = catalog.split("train")
    rows = _sample(train, seed=seed, count=learned_count(len(train), class_count=len(catalog.classes)))
    if not hashed:
        return hash_and_decode(catalog, rows, pixels, decoding=decoding)[:2]
    decoding.progress.start("decode some again", len(rows))
    images = _Decoder(catalog, decoding).open(rows, pixels)
    kept = [position for position in range(len(rows)) if position not in images.errors]
    return tuple(rows[position] for position in kept), images.select(kept)


def learned_count(count: int, *, class_count: int) -> int:
    """How many of so many training images show what a network has learned."""
    return min(count, max(_LEARNED_IMAGES, _LEARNED_OF_A_CLASS * class_count))


def hash_and_decode(
    catalog: Catalog, rows: Sequence[Row], spec: PixelSpec, *, decoding: Decoding
) -> tuple[tuple[Row, ...], PixelSource, dict[Row, str]]:
    """Hash and decode some images of a catalog.

    Args:
        catalog: Says where they are.
        rows: Which ones.
        spec: How they are decoded.
        decoding: Where and how.

    Returns:
        The rows that can be decoded, with up-to-date hashes; their pixels; and for each other row why it cannot.

    Raises:
        CacheError: If the cache cannot be written.
    """
    digests, errors = _hash(catalog, rows, decoding)
    hashed = [replace(row, sha256=digest) for row, digest in zip(rows, digests, strict=True)]
    unreadable = {hashed[position]: reason for position, reason in errors.items()}
    readable = _readable(hashed, unreadable)
    decoding.progress.start("decode", len(readable))
    images = _Decoder(catalog, decoding).open(readable, spec)
    unreadable |= _unreadable(readable, images)
    kept = _readable(readable, unreadable)
    return tuple(kept), _select(images, readable, kept), unreadable


def decode(catalog: Catalog, rows: Sequence[Row], spec: PixelSpec, *, decoding: Decoding) -> PixelSource:
    """Decode some images of a catalog that are hashed.

    Args:
        catalog: Says where they are.
        rows: Which ones, with their hashes.
        spec: How they are decoded.
        decoding: Where and how.

    Returns:
        Their pixels, in order; `errors` names those that cannot be decoded.

    Raises:
        CacheError: If the cache cannot be written.
    """
    if rows:
        decoding.progress.start("decode", len(rows))
    return _Decoder(catalog, decoding).open(rows, spec)


def cache_spec(pixels: PixelSpec) -> PixelSpec:
    """Return how training images are cached: whole, squished to a square that is large enough for crops."""
    side = math.ceil(pixels.size * _CACHE_MARGIN)
    return PixelSpec(size=side, resize_short=side, mode="squish", filter=pixels.filter)


def choose_subset(rows: Sequence[Row], *, seed: int) -> npt.NDArray[np.int64]:
    """Choose the training images that are evaluated after every epoch, as the validation images are.

    Args:
        rows: Training images.
        seed: Of the fit.

    Returns:
        Positions of an eighth of the rows, but at least 64 (or all) and at most 512: int64 [M], rising.
    """
    return systematic_sample(rows, seed=seed, count=subset_size(len(rows)))


def subset_size(count: int) -> int:
    """How many of so many training images are evaluated after every epoch."""
    return min(count, _SUBSET_MAX, max(_SUBSET_MIN, count // _SUBSET_DIVISOR))


def systematic_sample(rows: Sequence[Row], *, seed: int, count: int) -> npt.NDArray[np.int64]:
    """Sample rows in the order of their labels, shuffled within each label.

    So every class has its proportion, rounded up or down. The same rows and seed give the same sample on every machine.

    Args:
        rows: What to choose from.
        seed: Of the shuffle.
        count: How many to choose.

    Returns:
        Positions of `count` rows, or of all if there are fewer: int64 [M], rising.
    """
    count = min(len(rows), count)
    shuffled = np.random.default_rng(seed).permutation(len(rows))
    order = np.array(sorted(shuffled, key=lambda position: sorted(rows[position].labels)), dtype=np.int64)
    return np.sort(order[(2 * np.arange(count) + 1) * len(rows) // (2 * max(1, count))])


def _sample(rows: Sequence[Row], *, seed: int, count: int) -> tuple[Row, ...]:
    return tuple(rows[position] for position in systematic_sample(rows, seed=seed, count=count).tolist())


def _hash(catalog: Catalog, rows: Sequence[Row], decoding: Decoding) -> tuple[list[str | None], dict[int, str]]:
    """The hashes of the rows' files, and why some, by position, have none."""
    decoding.progress.start("read files", len(rows), "files")
    files = [catalog.file_of(row) for row in rows]
    found = hash_files(files, threads=decoding.threads, on_progress=decoding.progress.advance)
    return found.digests, found.errors


def _readable(rows: Sequence[Row], unreadable: Collection[Row]) -> list[Row]:
    return [row for row in rows if row not in unreadable]


class _Decoder:
    """Decodes the images of a catalog: into the cache, or, if there is no room, whenever they are needed."""

    def __init__(self, catalog: Catalog, decoding: Decoding) -> None:
        self._catalog = catalog
        self._decoding = decoding
        self._workers: DecodingWorkers | None = None

    def open(self, rows: Sequence[Row], spec: PixelSpec) -> PixelSource:
        """The images of these rows, in order. Raises what `fill_cache` does, but not CacheFull."""
        data, decoding = self._catalog.root, self._decoding
        files = [(row.sha256 or "", self._catalog.file_of(row)) for row in rows]
        try:
            return fill_cache(files, spec, decoding, data=data)
        except CacheFull as full:
            if self._workers is None:
                self._report(full)
                self._workers = DecodingWorkers(decoding.workers or decoding.threads)
            return UncachedPixels(files, spec, inspect_images(files, spec, decoding, data=data), self._workers)

    def _report(self, full: CacheFull) -> None:
        cache = self._decoding.cache
        limit = format_bytes(max_cache_bytes(cache, self._decoding.max_bytes))
        self._decoding.progress.warn(
            f"images are decoded whenever they are needed, which is slower: decoded, they take "
            f"{format_bytes(full.needed)}, and {full} ({cache}, at most {limit}; `cache_max` changes that)"
        )


def _unreadable(rows: Sequence[Row], cache: PixelSource) -> dict[Row, str]:
    return {rows[position]: reason for position, reason in cache.errors.items()}


def _select(cache: PixelSource, rows: Sequence[Row], kept: Sequence[Row]) -> PixelSource:
    """The images of the kept rows; `rows` are those of the whole cache."""
    positions = {row.path: position for position, row in enumerate(rows)}
    return cache.select([positions[row.path] for row in kept])
