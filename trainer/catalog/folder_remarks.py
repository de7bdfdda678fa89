"""What to know about a folder that was read: what is not among its images, and class folders that may be a mistake."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from service.inputs import Found, first_few, is_file, is_image_content
from service.pixels import HEIC_ADVICE, formats
from trainer.catalog.levels import Place
from trainer.catalog.row import Row

_HEIC_SUFFIXES = frozenset({".heic", ".heif"})
# Files that are opened to see whether they are images: of one suffix, and of all.
_MAX_OPENED = 20
_MAX_OPENED_TOTAL = 400
_MAX_SHOWN = 3


def ignored_files(found: Found) -> str:
    """How many files are no images, by suffix; empty if there are none."""
    others = found.others
    if not others:
        return ""
    counts = [f"{suffix!r} {count:,}" for suffix, count in others.most_common()]
    return f" ({others.total():,} other files, by suffix: {first_few(counts)})"


def maybe_images(root: Path, found: Found) -> str:
    """What to do about files that are images by their content; empty if there are none."""
    opened: Counter[str] = Counter()
    shown: list[str] = []
    for path in found.other_files:
        suffix = path.suffix.casefold()
        if opened[suffix] < _MAX_OPENED and opened.total() < _MAX_OPENED_TOTAL and len(shown) < _MAX_SHOWN:
            opened[suffix] += 1
            if _is_plain_image(root / path):
                shown.append(repr(str(path)))
                opened[suffix] = _MAX_OPENED
    if not shown:
        return ""
    return f"; {', '.join(shown)} and maybe others are images by their content: add `any_suffix=True`"


def _is_plain_image(path: Path) -> bool:
    return is_file(path) and is_image_content(path)  # a pipe would wait for a writer


def left_out(
    root: Path, found: Found, *, outside: Sequence[PurePosixPath], unlabelled: Sequence[PurePosixPath]
) -> Iterator[str]:
    """Yield remarks about files and links that are not in the rows."""
    if found.other_files:
        yield f"files without the suffix of an image were ignored{ignored_files(found)}{maybe_images(root, found)}."
    if found.system_folders:
        names = [f"{name!r} {count:,}" for name, count in found.system_folders.most_common()]
        yield f"{found.system_folders.total():,} folders that systems leave were ignored: {first_few(names)}."
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
        tops = sorted({PurePosixPath(path.parts[0]) for path in outside})
        yield f"{len(outside):,} images outside of train, valid and test were left out: {_listed(tops)}."
    if unlabelled:
        yield (
            f"{len(unlabelled):,} test images have no label and were left out: {_listed(unlabelled)}; to "
            "evaluate on them, put each into a folder with the name of its class."
        )


def folders_without_images(found: Found) -> Iterator[str]:
    """Yield a remark that names the uppermost folders without any image in or below them, each with the reason."""
    own = {path.parent for path in (*found.images, *found.unwritable)}
    filled = own.union(*(folder.parents for folder in own))
    contents: defaultdict[PurePosixPath, Counter[str]] = defaultdict(Counter)
    for path in found.other_files:
        top = next((folder for folder in reversed(path.parents) if folder not in filled), None)
        if top is not None:
            contents[top][path.suffix] += 1
    empty = sorted(folder for folder in found.folders if folder not in filled and folder.parent in filled)
    if empty:
        shown = [f"{str(folder)!r} ({_contents(contents[folder])})" for folder in empty]
        yield f"{len(empty):,} folders have no image that can be read: {first_few(shown)}."


def _contents(suffixes: Counter[str]) -> str:
    counts = ", ".join(f"{count:,} {suffix or 'without a suffix'}" for suffix, count in suffixes.most_common(3))
    return f"{counts}: not a format that is read" if counts else "empty"


def heic_images(images: Sequence[PurePosixPath]) -> Iterator[str]:
    """Yield a remark that names the folders of HEIC images, if this installation does not read them."""
    if "HEIF" in formats():
        return
    counts = Counter(path.parent for path in images if path.suffix.casefold() in _HEIC_SUFFIXES)
    if counts:
        shown = [f"{str(folder)!r} {count:,}" for folder, count in sorted(counts.items())]
        yield (
            f"{counts.total():,} images are HEIC by their suffix and cannot be read ({first_few(shown)}). "
            f"{HEIC_ADVICE}."
        )


def _listed(paths: Sequence[PurePosixPath]) -> str:
    return first_few([repr(str(path)) for path in paths])  # repr shows characters that cannot be printed


def class_remarks(rows: Collection[Row], places: Mapping[PurePosixPath, Place]) -> Iterator[str]:
    """Yield remarks about classes that may be a mistake: one class in several folders, one class folder in another."""
    folders: defaultdict[str, set[PurePosixPath]] = defaultdict(set)
    for folder, labels in {PurePosixPath(row.path).parent: row.labels for row in rows}.items():
        place = places[folder]
        folders[next(iter(labels))].add(PurePosixPath(*folder.parts[place.start : place.level]))
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
