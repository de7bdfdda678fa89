"""SHA-256 of files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from trainer.errors import CatalogError


def hash_files(
    paths: Sequence[Path], *, threads: int, on_progress: Callable[[int], None] = lambda _: None
) -> list[str]:
    """The SHA-256 of each file, hexadecimal, in the order of `paths`; a file is never held in memory whole.

    on_progress  called, from this thread, with the number of files done since the last call

    Raises CatalogError that names the first file that cannot be read.
    """
    with ThreadPoolExecutor(max_workers=threads) as pool:
        hashes = []
        for digest in pool.map(_hash, paths):
            hashes.append(digest)
            on_progress(1)
        return hashes


def _hash(path: Path) -> str:
    try:
        with path.open("rb") as file:  # hashlib releases the GIL on each block
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CatalogError(
            f"{path}: the image cannot be read ({error.strerror}); allow it to be read, or take it out."
        ) from error
