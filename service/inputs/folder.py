"""Which images a folder contains."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

from service.inputs.content import is_image_content
from service.inputs.errors import InputError
from service.inputs.files import Entry, identity, list_folder
from service.inputs.text import unwritable

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".gif", ".bmp", ".avif", ".heic", ".heif"}
)

# What Synology, QNAP, Windows, Linux and macOS leave in folders, in lower case. They hold copies, or what was deleted.
_SYSTEM_FOLDERS = frozenset(
    {
        *("@eadir", "@tmp", "@sharebin", "#recycle", "#snapshot"),
        *("@recycle", "@recently-snapshot", "@__thumb"),
        *("$recycle.bin", "system volume information", "found.000"),
        *("lost+found", "__macosx"),
    }
)
_THUMBNAIL_FOLDERS = frozenset({"thumbnails", "thumbs"})
_THUMBNAIL_MARK = re.compile("^(thumb|tn)[-_]|[-_](thumb|tn)$", re.IGNORECASE)


@dataclass(kw_only=True)
class Found:
    """What a walk found. All paths are relative to the root of the walk.

    Attributes:
        images: Files with the suffix of an image.
        other_files: Files that are not images, judged by their suffix; pipes and the like, whatever their suffix.
        folders: Folders that were read.
        system_folders: Name -> number of the folders of systems that were skipped, with all that is in them.
        unwritable: Images whose name a table cannot hold.
        broken_links: Links whose target does not exist or cannot be reached.
        repeated_links: Links to a folder that is already read under another path, or that contains the root.
    """

    images: list[PurePosixPath] = field(default_factory=list)
    other_files: list[PurePosixPath] = field(default_factory=list)
    folders: list[PurePosixPath] = field(default_factory=list)
    system_folders: Counter[str] = field(default_factory=Counter)
    unwritable: list[PurePosixPath] = field(default_factory=list)
    broken_links: list[PurePosixPath] = field(default_factory=list)
    repeated_links: list[PurePosixPath] = field(default_factory=list)

    @property
    def others(self) -> Counter[str]:
        """Suffix, in lower case -> number of files that are not images."""
        return Counter(path.suffix.casefold() for path in self.other_files)


def walk(root: Path, *, any_suffix: bool = False) -> Found:
    """Find all images under a folder. No file is opened, unless `any_suffix` is set.

    Hidden files and folders are skipped, and so are the folders that systems make: `@eaDir`, `$RECYCLE.BIN` and others,
    and folders called thumbnails if most of the images in them have the names of images beside the folder. Links are
    followed, but no folder is read twice: a folder is identified by device and inode, so a cycle of links ends. Real
    folders are read before links, so a folder under `root` keeps its own path even if a link to it comes earlier in the
    alphabet.

    Args:
        root: A folder, absolute, with links resolved; or an archive, or a folder in one.
        any_suffix: Whether files without the suffix of an image are images if their first bytes are those of one.

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
        found.folders.append(path)
        entries = _visible_entries(root / path)
        for entry in entries:
            inner, kind = path / entry.name, _kind(entry)
            if kind == "folder" and _is_of_a_system(root / inner, entries):
                found.system_folders[entry.name] += 1
            elif kind == "folder":
                (links if entry.is_symlink() else folders).append(inner)
            elif kind == "broken link":
                found.broken_links.append(inner)
            elif kind == "file" and (_has_image_suffix(entry.name) or (any_suffix and is_image_content(root / inner))):
                _add_image(root, inner, found)
            else:
                found.other_files.append(inner)
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


def _is_of_a_system(folder: Path, beside: Sequence[Entry]) -> bool:
    """Whether a system made a folder; `beside` are the entries of the folder that contains it."""
    name = folder.name.casefold()
    if name not in _THUMBNAIL_FOLDERS:
        return name in _SYSTEM_FOLDERS
    originals = {PurePosixPath(entry.name).stem for entry in beside if _has_image_suffix(entry.name)}
    images = [entry.name for entry in _visible_entries(folder) if _has_image_suffix(entry.name)]
    copies = [_THUMBNAIL_MARK.sub("", PurePosixPath(image).stem) in originals for image in images]
    return sum(copies) > len(copies) / 2


def _has_image_suffix(name: str) -> bool:
    return PurePosixPath(name).suffix.casefold() in IMAGE_SUFFIXES


def _add_image(root: Path, path: PurePosixPath, found: Found) -> None:
    if unwritable(str(path.parent)):
        raise InputError(
            f"{root}: the folder {str(path.parent)!r} contains images, but its name has a control character or bytes "
            "that are not UTF-8; rename it."
        )
    (found.unwritable if unwritable(path.name) else found.images).append(path)
