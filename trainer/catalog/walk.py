"""A walk through a folder: every image once, whatever the links."""

from __future__ import annotations

import os
from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

from trainer.catalog.labels import unwritable
from trainer.errors import CatalogError

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".gif", ".bmp", ".avif", ".heic", ".heif"}
)


@dataclass(kw_only=True)
class Found:
    """What a walk saw; paths start from its root.

    images          files with an image's suffix
    others          suffix -> how many files that are no images by their suffix
    unwritable      images whose name cannot stand in a table
    broken_links    links that lead nowhere
    repeated_links  links to a folder that is read under another path, or that holds the root
    """

    images: list[PurePosixPath] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    unwritable: list[PurePosixPath] = field(default_factory=list)
    broken_links: list[PurePosixPath] = field(default_factory=list)
    repeated_links: list[PurePosixPath] = field(default_factory=list)


def walk(root: Path) -> Found:
    """Every file under `root` that is not hidden; the folders themselves first, then those that links lead to.

    A folder is known by device and inode, so that no cycle of links is followed twice, and a folder that has a place
    under `root` is found in that place. Raises CatalogError when a folder cannot be read, or holds images and has a
    name that no table can hold.
    """
    found = Found()
    seen = {_identity(folder) for folder in root.parents}
    folders, links = deque([PurePosixPath()]), deque[PurePosixPath]()
    while folders or links:
        path = folders.popleft() if folders else links.popleft()
        identity = _identity(root / path)
        if identity in seen:
            found.repeated_links.append(path)
            continue
        seen.add(identity)
        for entry in _entries(root / path):
            inner, kind = path / entry.name, _kind(entry)
            if kind == "folder":
                (links if entry.is_symlink() else folders).append(inner)
            elif kind == "nothing":
                found.broken_links.append(inner)
            else:
                _take(root, inner, kind, found)
    return found


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What the folder holds and does not hide, by name."""
    try:
        with os.scandir(folder) as entries:
            return sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)
    except OSError as error:
        raise CatalogError(
            f"{folder}: the folder cannot be read ({error.strerror}); allow it to be read, or take it out."
        ) from error


def _kind(entry: os.DirEntry[str]) -> Literal["folder", "file", "special", "nothing"]:
    try:
        if entry.is_dir():
            return "folder"
        if entry.is_file():
            return "file"
    except OSError:  # a link to itself, or through a folder that may not be entered
        return "nothing"
    return "nothing" if entry.is_symlink() else "special"


def _take(root: Path, path: PurePosixPath, kind: Literal["file", "special"], found: Found) -> None:
    suffix = path.suffix.casefold()
    if kind == "special" or suffix not in IMAGE_SUFFIXES:
        found.others[suffix] += 1
    elif unwritable(str(path.parent)):
        raise CatalogError(
            f"{root}: the folder {str(path.parent)!r} holds images, and its name a control character or bytes that are "
            "not UTF-8; rename it."
        )
    elif unwritable(path.name):
        found.unwritable.append(path)
    else:
        found.images.append(path)
