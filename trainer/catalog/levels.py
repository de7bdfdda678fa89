"""Which of the folders above an image says what it shows, and which says its split."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from trainer.catalog.names import is_number, is_split_name, is_year, says_nothing, split_folders
from trainer.catalog.row import Split


@dataclass(frozen=True, kw_only=True)
class Place:
    """What the folders above an image say.

    Attributes:
        split: The split that a folder names; None if there is no such folder.
        level: Level of the class folder, from 1 for a folder directly in the data; 0 if there is none.
        start: Number of folders down to the one that is a split; 0 if there is none above the class folder.
    """

    split: Split | None
    level: int
    start: int

    def class_name(self, folder: PurePosixPath) -> str:
        """Return the name of the class folder, of which `folder` is this place; empty if there is none."""
        return folder.parts[self.level - 1] if self.level else ""


def place_folders(
    folders: Collection[PurePosixPath], *, class_level: int, with_splits: bool, known: Collection[str] = ()
) -> dict[PurePosixPath, Place]:
    """Find the class folder and the split of each folder that contains images.

    Splits are folders beside each other: directly in the data, or further down if all images are in one folder. The
    class folder is the folder itself, or, while its name says nothing, the one above it, but never a split's. If all
    folders are in the same one and their names are numbers, these are the classes: `digits/0`, `digits/1`. A class
    folder may contain splits: `cat/train`, `cat/test`.

    Args:
        folders: Paths from the data of the folders that contain images.
        class_level: Level of the class folder; 0: as above.
        with_splits: Whether folders can be splits.
        known: Labels of a model. A folder with one of these names is a class folder, whatever its name says.
    """
    depth, splits = _find_splits(folders, class_level=class_level) if with_splits else (0, {})

    def start_of(folder: PurePosixPath) -> int:
        return depth + 1 if len(folder.parts) > depth and folder.parts[depth] in splits else 0

    def is_train(folder: PurePosixPath) -> bool:
        return start_of(folder) > 0 and splits[folder.parts[depth]] == "train"

    trained = [folder for folder in folders if is_train(folder)] or folders  # test images may be unlabelled
    shared, numbered = _shared_folders([folder.parts[start_of(folder) :] for folder in trained])
    places = {}
    for folder in folders:
        start, parts = start_of(folder), folder.parts
        if class_level:
            level = class_level if start < class_level <= len(parts) else 0
        else:
            kept = start + shared if numbered else -1
            level = _class_folder(parts, start=start, kept=kept, known=known)
        split = splits[parts[depth]] if start else None
        if with_splits and level and not start:
            split = _inner_split(parts[level:])
        places[folder] = Place(split=split, level=level, start=start)
    return places


def _find_splits(folders: Collection[PurePosixPath], *, class_level: int) -> tuple[int, Mapping[str, Split]]:
    """Return how many folders are above the splits, and the names of these with their splits."""
    depth = 0
    while not class_level or depth + 1 < class_level:
        names = {folder.parts[depth] for folder in folders if len(folder.parts) > depth}
        splits = split_folders(names)
        if splits and (not depth or _are_splits_of_classes(folders, depth, splits)):
            return depth, splits
        if splits or len(names) != 1 or any(len(folder.parts) <= depth for folder in folders):
            break
        depth += 1
    return 0, {}


def _are_splits_of_classes(folders: Collection[PurePosixPath], depth: int, splits: Mapping[str, Split]) -> bool:
    """Whether folders below another one are train and more, with folders in them; else they are parts of one class."""
    return (
        "train" in splits.values()
        and len(set(splits.values())) > 1
        and any(folder.parts[depth] in splits and len(folder.parts) > depth + 1 for folder in folders)
    )


def _shared_folders(paths: Collection[tuple[str, ...]]) -> tuple[int, bool]:
    """Return how many folders all paths start with, and whether the names of the next ones are numbers, not years."""
    shared = 0
    while all(len(path) > shared + 1 for path in paths) and len({path[shared] for path in paths}) == 1:
        shared += 1
    names = {path[shared] for path in paths if len(path) > shared}
    return shared, all(map(is_number, names)) and not all(map(is_year, names))


def _class_folder(parts: tuple[str, ...], *, start: int, kept: int, known: Collection[str]) -> int:
    """Return the level of the class folder; 0 if there is no folder below the split."""
    level = len(parts)
    while level > start + 1 and says_nothing(parts[level - 1]) and level - 1 != kept and parts[level - 1] not in known:
        level -= 1
    return level if level > start else 0


def _inner_split(parts: tuple[str, ...]) -> Split | None:
    names = [name for name in parts if is_split_name(name)]
    return split_folders(["train", names[0]])[names[0]] if names else None
