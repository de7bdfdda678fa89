"""The files of a catalog: their hashes, and what to do if some of them cannot be read or decoded."""

from __future__ import annotations

import hashlib
import math
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from service.inputs import first_few, open_file
from trainer.catalog.labels import natural_key
from trainer.catalog.row import Row
from trainer.errors import BrokenImages

_FEW_BROKEN = 0.1  # more are worth a warning that says what is wrong with them
_NUMBER = re.compile("[0-9]+")


@dataclass(frozen=True, kw_only=True)
class Hashes:
    """The SHA-256 of files.

    Attributes:
        digests: Hexadecimal, in the order of the files; None for a file that cannot be read.
        errors: Position of such a file -> why.
    """

    digests: list[str | None]
    errors: dict[int, str]


def hash_files(paths: Sequence[Path], *, threads: int, on_progress: Callable[[int], None] = lambda _: None) -> Hashes:
    """Compute the SHA-256 of files, without holding a whole file in memory.

    Args:
        paths: The files.
        threads: Number of files to read at the same time.
        on_progress: Called in this thread with the number of files that were hashed since the last call.
    """
    digests: list[str | None] = []
    errors = {}
    with ThreadPoolExecutor(max_workers=threads) as pool:
        for position, digest in enumerate(pool.map(_hash, paths)):
            if isinstance(digest, OSError):
                errors[position] = f"The file cannot be read ({digest.strerror or digest})."
            digests.append(digest if isinstance(digest, str) else None)
            on_progress(1)
    return Hashes(digests=digests, errors=errors)


def require_readable(total: int, unreadable: Mapping[Row, str], *, allow_broken: float) -> None:
    """Check that enough images can be decoded: some, if there are any.

    Args:
        total: Number of images.
        unreadable: Row -> why its image cannot be decoded.
        allow_broken: Largest fraction of such images that is accepted, 0 to 1.

    Raises:
        BrokenImages: There are more. The message names the kinds of fault.
    """
    if unreadable and len(unreadable) == total:
        message = f"none of the {total:,} images can be decoded: {_kinds(unreadable)}; repair or replace them"
        raise BrokenImages(message, unreadable)
    if len(unreadable) <= allow_broken * total:
        return
    needed = math.ceil(100 * len(unreadable) / total) / 100
    raise BrokenImages(
        f"{len(unreadable):,} of {total:,} images cannot be decoded, more than {allow_broken:.0%}: "
        f"{_kinds(unreadable)}; repair or remove them, or leave them out with `allow_broken={needed!r}`",
        unreadable,
    )


def broken_images(total: int, unreadable: Mapping[Row, str]) -> Iterator[str]:
    """Yield a warning about images that are left out, if they are more than a tenth. The arguments are as above."""
    if len(unreadable) > _FEW_BROKEN * total:
        yield (
            f"{len(unreadable):,} of {total:,} images cannot be decoded and are left out: {_kinds(unreadable)}; to "
            "stop if there are so many, give a smaller fraction as `allow_broken`."
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


def _kinds(unreadable: Mapping[Row, str]) -> str:
    """The kinds of fault, the most frequent first, each with its number of images and the first of them."""
    kinds: defaultdict[str, list[Row]] = defaultdict(list)
    for row in sorted(unreadable, key=lambda row: row.path):
        kinds[_NUMBER.sub("0", unreadable[row])].append(row)
    shown = [
        f"{len(rows):,} as {rows[0].path} ({unreadable[rows[0]].rstrip('.')})"
        for rows in sorted(kinds.values(), key=len, reverse=True)
    ]
    return first_few(shown)


def _hash(path: Path) -> str | OSError:
    try:
        with open_file(path) as file:  # hashlib releases the GIL on each block
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return error
