"""A folder of images, one folder a class."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from trainer.catalog.errors import first_few
from trainer.catalog.labels import clean_label
from trainer.catalog.row import SPLIT_NAMES, Row, Split
from trainer.catalog.source import Source
from trainer.catalog.walk import IMAGE_SUFFIXES, Found, walk
from trainer.errors import CatalogError


def read_folder(data: Path) -> Source:
    """The images under `data`; an image's label is the name of the folder that holds it.

    Folders of one name are one class wherever they stand (`bing/grizzly` and `google/grizzly`); a remark names them,
    for the case that they are two things. `train`, `valid` or `val`, and `test` directly under `data` (in any case)
    are sides, not classes; with `train` there, images beside the sides are left out, with a remark. Images are known
    by their suffix. Hidden files and folders are passed over. Links are followed, but no folder is read twice. Images
    whose name is not UTF-8 or holds a control character are left out, with a remark: no table could name them.

    Raises CatalogError when there is no image, when an image lies in no class folder, when a class folder has a name
    that is no label, or when a folder cannot be read.
    """
    root = data.resolve()
    found = walk(root)
    sides = {path.parts[0]: SPLIT_NAMES[path.parts[0].casefold()] for path in found.images if _is_sided(path)}
    beside = [path for path in found.images if "train" in sides.values() and path.parts[0] not in sides]
    images = sorted(set(found.images) - set(beside))
    if not images:
        raise CatalogError(
            f"{data}: there is no image here{_ignored(found)}; give a folder with one folder of images for each "
            f"class. Images are files that end in {', '.join(sorted(IMAGE_SUFFIXES))}."
        )
    _require_class_folders(data, images, sides)
    rows = tuple(_row(data, path, sides.get(path.parts[0], "train")) for path in images)
    remarks = (*_passed_over(found, beside), *_gathered(rows, sides))
    return Source(root=root, rows=rows, sided=bool(sides), remarks=tuple(f"{data}: {remark}" for remark in remarks))


def _is_sided(path: PurePosixPath) -> bool:
    return len(path.parts) > 1 and path.parts[0].casefold() in SPLIT_NAMES


def _require_class_folders(data: Path, images: Collection[PurePosixPath], sides: Collection[str]) -> None:
    bare = [path.as_posix() for path in images if not path.parent.parts or path.parent.as_posix() in sides]
    if bare:
        raise CatalogError(
            f"{data}: {len(bare):,} images lie in no class folder ({first_few(bare)}); put each into a folder that "
            "has the name of its class, or give a CSV. (The folders train, valid, val and test name sides of the "
            "split, not classes.)"
        )


def _row(data: Path, path: PurePosixPath, side: Split) -> Row:
    where = f"{data}: the folder {str(path.parent)!r}"
    return Row(path=path.as_posix(), labels=frozenset({clean_label(path.parent.name, where=where)}), split=side)


def _ignored(found: Found) -> str:
    if not found.others:
        return ""
    kinds = [f"{suffix!r} {count:,}" for suffix, count in found.others.most_common()]
    return f" ({found.others.total():,} other files, by suffix: {first_few(kinds)})"


def _passed_over(found: Found, beside: Collection[PurePosixPath]) -> Iterator[str]:
    if found.others:
        yield f"files that are no images by their suffix were passed over{_ignored(found)}."
    if found.unwritable:
        yield (
            f"{len(found.unwritable):,} images were left out, as their names hold control characters or bytes that "
            f"are not UTF-8: {_listed(found.unwritable)}; rename them."
        )
    if found.broken_links:
        yield f"{len(found.broken_links):,} links lead nowhere: {_listed(found.broken_links)}."
    if found.repeated_links:
        yield (
            f"{len(found.repeated_links):,} links lead to a folder that is read elsewhere and were not followed: "
            f"{_listed(found.repeated_links)}."
        )
    if beside:
        folders = sorted({PurePosixPath(path.parts[0]) for path in beside})
        yield f"{len(beside):,} images stand beside train and were left out: {_listed(folders)}."


def _listed(paths: Sequence[PurePosixPath]) -> str:
    return first_few([repr(str(path)) for path in paths])  # repr shows what cannot be printed


def _gathered(rows: Collection[Row], sides: Mapping[str, Split]) -> Iterator[str]:
    """What may surprise about the classes: one class from several folders, a class folder inside another."""
    folders: defaultdict[str, set[PurePosixPath]] = defaultdict(set)
    for row in rows:
        folder = PurePosixPath(row.path).parent
        below = PurePosixPath(*folder.parts[1:]) if folder.parts[0] in sides else folder
        folders[next(iter(row.labels))].add(below)
    several = [
        f"{label!r} ({first_few(sorted(map(str, found)))})"
        for label, found in sorted(folders.items())
        if len(found) > 1
    ]
    everywhere = set().union(*folders.values())
    nested = sorted(str(folder) for folder in everywhere if not everywhere.isdisjoint(folder.parents))
    if several:
        yield (
            f"{len(several):,} classes are gathered from several folders of one name: {first_few(several)}; "
            "rename the folders if they hold different things."
        )
    if nested:
        yield (
            f"{len(nested):,} class folders stand inside of a folder that holds images itself, and each is a class "
            f"of its own: {first_few(nested)}."
        )
