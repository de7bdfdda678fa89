"""From a catalog to arrays: every image hashed, decoded once, and those that cannot be left out."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from service.pixels import PixelSpec
from trainer.catalog import Catalog, Row, hash_files, require_readable
from trainer.data import PixelCache, fill_cache
from trainer.data.subset import choose_subset
from trainer.data.training_data import TrainingData
from trainer.progress import Progress

# Training images are kept larger than the model's input, so that a crop of them still has its detail: 288 for 224.
_CACHE_MARGIN = 9 / 7


@dataclass(frozen=True, kw_only=True, eq=False)
class Prepared:
    """What can be trained on.

    catalog     the readable images, with their hashes
    data        their pixels and targets
    unreadable  row -> why it was left out
    """

    catalog: Catalog
    data: TrainingData
    unreadable: dict[Row, str]


def prepare(
    catalog: Catalog,
    *,
    pixels: PixelSpec,
    seed: int,
    cache: Path,
    threads: int,
    progress: Progress,
    hashed: bool = False,
) -> Prepared:
    """Hash and decode the images of both sides.

    pixels  what the service will do to an image
    seed    decides which training images are measured as the validation images are
    cache   folder of decoded images, shared by all fits
    hashed  whether the catalog has the hashes of now; images that the cache holds are not read then

    Raises CatalogError where more than a tenth cannot be decoded or too few are left, CacheError where the cache
    cannot be written.
    """
    if not hashed:
        progress.start("hash", len(catalog.rows))
        files = [catalog.file_of(row) for row in catalog.rows]
        catalog = catalog.with_hashes(hash_files(files, threads=threads, on_progress=progress.advance))
    train_rows, valid_rows = catalog.split("train"), catalog.split("valid")
    progress.start("decode", len(train_rows) + len(valid_rows))
    train = _decode(catalog, train_rows, cache_spec(pixels), cache, threads, progress)
    valid = _decode(catalog, valid_rows, pixels, cache, threads, progress)
    unreadable = {
        rows[position]: reason
        for rows, decoded in ((train_rows, train), (valid_rows, valid))
        for position, reason in decoded.errors.items()
    }
    require_readable(len(train_rows) + len(valid_rows), unreadable)
    readable = catalog.without(unreadable.keys())
    kept = readable.split("train")
    positions = choose_subset(kept, seed=seed)
    progress.start("decode again", len(positions))
    subset = _decode(readable, tuple(kept[position] for position in positions), pixels, cache, threads, progress)
    decoded = np.flatnonzero(subset.slots >= 0)
    return Prepared(
        catalog=readable,
        data=TrainingData(
            task=readable.task,
            class_count=len(readable.classes),
            coarse_indices=readable.coarse_indices,
            train=_only(train, train_rows, kept),
            train_targets=readable.targets(kept),
            valid=_only(valid, valid_rows, readable.split("valid")),
            valid_targets=readable.targets(readable.split("valid")),
            subset=subset.take(decoded.tolist()),
            subset_positions=positions[decoded],
        ),
        unreadable=unreadable,
    )


def prepare_validation(
    catalog: Catalog, *, pixels: PixelSpec, cache: Path, threads: int, progress: Progress
) -> tuple[tuple[Row, ...], PixelCache]:
    """Hash and decode the validation images alone: their rows with the hashes of now, and their pixels.

    Raises CatalogError where one of them cannot be decoded, CacheError where the cache cannot be written.
    """
    rows = catalog.split("valid")
    progress.start("hash", len(rows))
    hashes = hash_files([catalog.file_of(row) for row in rows], threads=threads, on_progress=progress.advance)
    hashed = tuple(replace(row, sha256=digest) for row, digest in zip(rows, hashes, strict=True))
    progress.start("decode", len(rows))
    decoded = _decode(catalog, hashed, pixels, cache, threads, progress)
    require_readable(len(rows), {rows[position]: why for position, why in decoded.errors.items()}, max_fraction=0)
    return hashed, decoded


def cache_spec(pixels: PixelSpec) -> PixelSpec:
    """How training images are kept: whole, squished to a square with room for crops."""
    side = math.ceil(pixels.size * _CACHE_MARGIN)
    return PixelSpec(size=side, resize_short=side, mode="squish", filter=pixels.filter)


def _decode(
    catalog: Catalog, rows: tuple[Row, ...], spec: PixelSpec, cache: Path, threads: int, progress: Progress
) -> PixelCache:
    files = [(row.sha256 or "", catalog.file_of(row)) for row in rows]
    return fill_cache(cache, files, spec=spec, threads=threads, on_progress=progress.advance)


def _only(cache: PixelCache, rows: tuple[Row, ...], kept: tuple[Row, ...]) -> PixelCache:
    positions = {row.path: position for position, row in enumerate(rows)}
    return cache.take([positions[row.path] for row in kept])
