"""Which images a folder contains."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

from service.inputs.errors import InputError
from service.inputs.files import Entry, identity, list_folder
from service.inputs.text import unwritable

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".gif", ".bmp", ".avif", ".heic", ".heif"}
)


@dataclass(kw_only=True)
class Found:
    """What a walk found. All paths are relative to the root of the walk.

    Attributes:
        images: Files with the suffix of an image.
        others: Suffix -> number of files that are not images, judged by their suffix.
        unwritable: Images whose name a table cannot hold.
        broken_links: Links whose target does not exist or cannot be reached.
        repeated_links: Links to a folder that is already read under another path, or that contains the root.
    """

    images: list[PurePosixPath] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    unwritable: list[PurePosixPath] = field(default_factory=list)
    broken_links: list[PurePosixPath] = field(default_factory=list)
    repeated_links: list[PurePosixPath] = field(default_factory=list)


def walk(root: Path) -> Found:
    """Find all images under a folder. No file is opened.

    Hidden files and folders are skipped. Links are followed, but no folder is read twice: a folder is identified by
    device and inode, so a cycle of links ends. Real folders are read before links, so a folder under `root` keeps its
    own path even if a link to it comes earlier in the alphabet.

    Args:
        root: A folder, absolute, with links resolved; or an archive, or a folder in one.

    Raises:
        InputError: A folder cannot be read, or a folder that contains images has a name that a table cannot hold.
    """
    found = Found()
    seen = {identity(folder) for folder in root.parents}
    folders, links = deque([PurePosixPath()]), deque[PurePosixPath]()
    while folders or links:
        path = folders.popleft() if folders else links.popleft()
        folder = identity(root / path)
        if folder in seen:
            found.repeated_links.append(path)
            continue
        seen.add(folder)
        for entry in _visible_entries(root / path):
            inner, kind = path / entry.name, _kind(entry)
            if kind == "folder":
                (links if entry.is_symlink() else folders).append(inner)
            elif kind == "broken link":
                found.broken_links.append(inner)
            else:
                _add_file(root, inner, kind, found)
    return found


def _visible_entries(folder: Path) -> list[Entry]:
    """Return the entries of a folder that are not hidden, sorted by name."""
    try:
        return [entry for entry in list_folder(folder) if not entry.name.startswith(".")]
    except OSError as error:
        raise InputError(
            f"{folder}: the folder cannot be read ({error.strerror}); allow reading it, or move it elsewhere."
        ) from error


def _kind(entry: Entry) -> Literal["folder", "file", "special", "broken link"]:
    try:
        if entry.is_dir():
            return "folder"
        if entry.is_file():
            return "file"
    except OSError:  # a link to itself, or a link through a folder without permission
        return "broken link"
    return "broken link" if entry.is_symlink() else "special"


def _add_file(root: Path, path: PurePosixPath, kind: Literal["file", "special"], found: Found) -> None:
    suffix = path.suffix.casefold()
    if kind == "special" or suffix not in IMAGE_SUFFIXES:
        found.others[suffix] += 1
    elif unwritable(str(path.parent)):
        raise InputError(
            f"{root}: the folder {str(path.parent)!r} contains images, but its name has a control character or bytes "
            "that are not UTF-8; rename it."
        )
    elif unwritable(path.name):
        found.unwritable.append(path)
    else:
        found.images.append(path)
