"""The files of a catalog: their hashes, and what to do if some of them cannot be decoded."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from service.inputs import first_few, open_file
from trainer.catalog.labels import natural_key
from trainer.catalog.row import Row
from trainer.errors import CatalogError


def hash_files(
    paths: Sequence[Path], *, threads: int, on_progress: Callable[[int], None] = lambda _: None
) -> list[str]:
    """Compute the SHA-256 of files, without holding a whole file in memory.

    Args:
        paths: The files.
        threads: Number of files to read at the same time.
        on_progress: Called in this thread with the number of files that were hashed since the last call.

    Returns:
        The hashes, hexadecimal, in the order of `paths`.

    Raises:
        CatalogError: A file cannot be read. The message names the first one.
    """
    with ThreadPoolExecutor(max_workers=threads) as pool:
        hashes = []
        for digest in pool.map(_hash, paths):
            hashes.append(digest)
            on_progress(1)
        return hashes


def require_readable(total: int, unreadable: Mapping[Row, str], *, max_fraction: float = 0.1) -> None:
    """Check that most images can be decoded.

    Args:
        total: Number of images.
        unreadable: Row -> why its image cannot be decoded.
        max_fraction: Largest fraction of unreadable images that is accepted, 0 to 1.

    Raises:
        CatalogError: There are more unreadable images. The message names the first five.
    """
    if len(unreadable) <= max_fraction * total:
        return
    reasons = [f"{row.path}: {unreadable[row]}" for row in sorted(unreadable, key=lambda row: row.path)]
    raise CatalogError(
        f"{len(unreadable):,} of {total:,} images cannot be decoded, more than {max_fraction:.0%}; "
        f"repair or remove them, starting with {first_few(reasons, separator=' | ')}"
    )


def lost_classes(unreadable: Iterable[Row], classes: Collection[str]) -> tuple[str, ...]:
    """List the classes that are lost because none of their training images can be decoded.

    Args:
        unreadable: Rows of the images that cannot be decoded.
        classes: The classes that are left.

    Returns:
        Labels in natural order.
    """
    labels = {label for row in unreadable if row.split == "train" for label in row.labels}
    return tuple(sorted(labels - set(classes), key=natural_key))


def _hash(path: Path) -> str:
    try:
        with open_file(path) as file:  # hashlib releases the GIL on each block
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CatalogError(
            f"{path}: the image cannot be read ({error.strerror}); allow reading it, or remove it from the data."
        ) from error
