"""A folder of images, with one folder for each class."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from service.inputs import IMAGE_SUFFIXES, Found, first_few, walk
from trainer.catalog.labels import clean_label
from trainer.catalog.row import SPLIT_NAMES, Row, Source, Split
from trainer.errors import CatalogError


def read_folder(data: Path) -> Source:
    """Read the images under a folder. The label of an image is the name of the folder that contains it.

    Folders with the same name are one class, wherever they are (`bing/grizzly` and `google/grizzly`); a remark lists
    them, because they may be two different things. The folders `train`, `valid` or `val` or `validation`, and `test`
    directly under `data` (in any case) are splits, not classes. If there is a `train`, images outside of the split
    folders are left out, with a remark. Images are recognised by their suffix. Hidden files and folders are skipped.
    Links are followed, but no folder is read twice. Images whose name is not UTF-8 or contains a control character are
    left out, with a remark, because no table can hold such a name.

    Raises:
        CatalogError: There is no image, an image is not in a class folder, or the name of a class folder cannot be a
            label.
        InputError: A folder cannot be read, or a table cannot hold its name.
    """
    root = data.resolve()
    found = walk(root)
    splits = {path.parts[0]: SPLIT_NAMES[path.parts[0].casefold()] for path in found.images if _is_in_split(path)}
    outside = [path for path in found.images if "train" in splits.values() and path.parts[0] not in splits]
    images = sorted(set(found.images) - set(outside))
    if not images:
        raise CatalogError(
            f"{data}: there is no image here{_ignored(found)}; give a folder that contains one folder of images for "
            f"each class. Images are files that end in {', '.join(sorted(IMAGE_SUFFIXES))}."
        )
    _require_class_folders(data, images, splits)
    rows = tuple(_row(data, path, splits.get(path.parts[0], "train")) for path in images)
    remarks = (*_left_out(found, outside), *_class_remarks(rows, splits))
    return Source(
        root=root, rows=rows, has_splits=bool(splits), remarks=tuple(f"{data}: {remark}" for remark in remarks)
    )


def _is_in_split(path: PurePosixPath) -> bool:
    return len(path.parts) > 1 and path.parts[0].casefold() in SPLIT_NAMES


def _require_class_folders(data: Path, images: Collection[PurePosixPath], splits: Collection[str]) -> None:
    bare = [path.as_posix() for path in images if not path.parent.parts or path.parent.as_posix() in splits]
    if bare:
        raise CatalogError(
            f"{data}: {len(bare):,} images are not in a class folder ({first_few(bare)}); put each into a folder with "
            "the name of its class, or give a CSV. (The folders train, valid, val and test are splits, not classes.)"
        )


def _row(data: Path, path: PurePosixPath, split: Split) -> Row:
    where = f"{data}: the folder {str(path.parent)!r}"
    return Row(path=path.as_posix(), labels=frozenset({clean_label(path.parent.name, where=where)}), split=split)


def _ignored(found: Found) -> str:
    if not found.others:
        return ""
    counts = [f"{suffix!r} {count:,}" for suffix, count in found.others.most_common()]
    return f" ({found.others.total():,} other files, by suffix: {first_few(counts)})"


def _left_out(found: Found, outside: Collection[PurePosixPath]) -> Iterator[str]:
    """Yield remarks about files and links that are not in the rows."""
    if found.others:
        yield f"files without the suffix of an image were ignored{_ignored(found)}."
    if found.unwritable:
        yield (
            f"{len(found.unwritable):,} images were left out, because their names have control characters or bytes "
            f"that are not UTF-8: {_listed(found.unwritable)}; rename them."
        )
    if found.broken_links:
        yield f"{len(found.broken_links):,} links are broken: {_listed(found.broken_links)}."
    if found.repeated_links:
        yield (
            f"{len(found.repeated_links):,} links were not followed, because the folder is read under another path: "
            f"{_listed(found.repeated_links)}."
        )
    if outside:
        names = sorted({PurePosixPath(path.parts[0]) for path in outside})
        yield f"{len(outside):,} images outside of train, valid and test were left out: {_listed(names)}."


def _listed(paths: Sequence[PurePosixPath]) -> str:
    return first_few([repr(str(path)) for path in paths])  # repr shows characters that cannot be printed


def _class_remarks(rows: Collection[Row], splits: Mapping[str, Split]) -> Iterator[str]:
    """Yield remarks about classes that may be a mistake: one class in several folders, one class folder in another."""
    folders: defaultdict[str, set[PurePosixPath]] = defaultdict(set)
    for row in rows:
        folder = PurePosixPath(row.path).parent
        below_split = PurePosixPath(*folder.parts[1:]) if folder.parts[0] in splits else folder
        folders[next(iter(row.labels))].add(below_split)
    several = [
        f"{label!r} ({first_few(sorted(map(str, found)))})"
        for label, found in sorted(folders.items())
        if len(found) > 1
    ]
    class_folders = set().union(*folders.values())
    nested = sorted(str(folder) for folder in class_folders if not class_folders.isdisjoint(folder.parents))
    if several:
        yield (
            f"{len(several):,} classes are merged from several folders with the same name: {first_few(several)}; "
            "rename the folders if they contain different things."
        )
    if nested:
        yield (
            f"{len(nested):,} class folders are inside of a folder that contains images itself, and each is a class "
            f"of its own: {first_few(nested)}."
        )
