"""A folder of images: the label of an image is the name of a folder above it, or what the options say."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from service.inputs import IMAGE_SUFFIXES, Found, first_few, is_file, is_image_content, walk
from service.pixels import formats
from trainer.catalog.labels import clean_label
from trainer.catalog.levels import Place, place_folders
from trainer.catalog.names import is_placeholder
from trainer.catalog.options import ReadOptions, compile_pattern, first_group
from trainer.catalog.row import Row, Source
from trainer.errors import CatalogError

_DEFAULT = ReadOptions()
_HEIC_SUFFIXES = frozenset({".heic", ".heif"})
_MAX_OPENED = 20  # files of one suffix that are opened to see whether they are images


def read_folder(data: Path, options: ReadOptions = _DEFAULT, *, known: Collection[str] = ()) -> Source:
    """Read the images under a folder.

    The label of an image is the name of its own folder, or, while that says nothing (a counter, a date, a split's name,
    `part_3`), of the one above it; see `place_folders`. `class_level`, `pattern` and `label` of the options decide
    otherwise. Class folders with the same name are one class, wherever they are (`bing/grizzly` and `google/grizzly`);
    a remark lists them, because they may be two different things. Folders called train, valid, test and the like are
    splits, not classes; see `split_folders`. If there is a folder of training images, images outside of the splits are
    left out, and so are test images without a class folder; remarks say so. Images are recognised by their suffix.
    Hidden files and folders and what systems leave are skipped. Links are followed, but no folder is read twice. Images
    whose name is not UTF-8 or contains a control character are left out, with a remark, because no table can hold such
    a name.

    Args:
        data: The folder.
        options: How to read it.
        known: Labels of a model that the images are for.

    Raises:
        CatalogError: There is no image, an image is not in a class folder, or the name of a class folder cannot be a
            label.
        InputError: A folder cannot be read, or a table cannot hold its name.
    """
    root = data.resolve()
    found = walk(root, any_suffix=options.any_suffix)
    if not found.images:
        raise CatalogError(
            f"{data}: there is no image here{_ignored(found)}{_maybe_images(root, found)}; give a folder that contains "
            f"one folder of images for each class. Images are files that end in {', '.join(sorted(IMAGE_SUFFIXES))}."
        )
    places = place_folders(
        {path.parent for path in found.images},
        class_level=options.class_level,
        with_splits=options.uses_own_splits,
        known=known,
    )
    labeller = _Labeller(
        data=data,
        root=root,
        places=places,
        class_level=options.class_level,
        pattern=compile_pattern(options.pattern, "pattern") if options.pattern else None,
        function=options.label,
    )
    sorted_images = _sort_out(found.images, places, labels_by_folder=labeller.by_folder)
    labeller.require_all(sorted_images.used)
    rows = tuple(labeller.row(path) for path in sorted_images.used)
    remarks = [*_left_out(root, found, sorted_images), *_folders_without_images(found), *_heic(sorted_images.used)]
    if labeller.by_folder:
        remarks += _class_remarks(rows, places)
    return Source(
        root=root,
        rows=rows,
        has_splits=any(places[path.parent].split is not None for path in sorted_images.used),
        labelled_by=labeller.described(sorted_images.used),
        remarks=tuple(f"{data}: {remark}" for remark in remarks),
    )


@dataclass(frozen=True, kw_only=True)
class _Sorted:
    """The images of a folder.

    Attributes:
        used: Those that become rows, sorted.
        outside: Those outside of the splits, if there are training images inside.
        unlabelled: Test images without a class folder beside training images with one.
    """

    used: Sequence[PurePosixPath]
    outside: Sequence[PurePosixPath]
    unlabelled: Sequence[PurePosixPath]


def _sort_out(
    images: Sequence[PurePosixPath], places: Mapping[PurePosixPath, Place], *, labels_by_folder: bool
) -> _Sorted:
    in_splits = any(place.start and place.split == "train" for place in places.values())
    outside = {path for path in images if in_splits and not places[path.parent].start}
    test = [path for path in images if in_splits and places[path.parent].split == "test" and path not in outside]
    unlabelled = set(_without_label(test, places)) if labels_by_folder else set()
    used = sorted(set(images) - outside - unlabelled)
    return _Sorted(used=used, outside=sorted(outside), unlabelled=sorted(unlabelled))


def _without_label(test: Sequence[PurePosixPath], places: Mapping[PurePosixPath, Place]) -> Iterator[PurePosixPath]:
    """Yield the test images that are not in a class folder, or all in one that stands for none."""
    trained = {_class_name(folder, place) for folder, place in places.items() if place.split == "train" and place.level}
    tested = {_class_name(path.parent, places[path.parent]) for path in test} - {""}
    placeholders = {name for name in tested - trained if len(tested) == 1 and is_placeholder(name)}
    for path in test:
        if _class_name(path.parent, places[path.parent]) in placeholders | {""}:
            yield path


def _class_name(folder: PurePosixPath, place: Place) -> str:
    return folder.parts[place.level - 1] if place.level else ""


@dataclass(frozen=True, kw_only=True)
class _Labeller:
    """Gives each image of a folder its label and split."""

    data: Path
    root: Path
    places: Mapping[PurePosixPath, Place]
    class_level: int
    pattern: re.Pattern[str] | None
    function: Callable[[Path], str] | None

    @property
    def by_folder(self) -> bool:
        """Whether labels are names of folders."""
        return self.pattern is None and self.function is None

    def require_all(self, images: Sequence[PurePosixPath]) -> None:
        """Raise CatalogError if an image is not in a class folder, or the pattern does not match its path."""
        if self.pattern is not None:
            missed = [path.as_posix() for path in images if not first_group(self.pattern, path.as_posix())]
            if missed:
                raise CatalogError(
                    f"{self.data}: `pattern` {self.pattern.pattern!r} finds no label in {len(missed):,} of "
                    f"{len(images):,} paths ({first_few(missed)}); it is searched for in / and the path from this "
                    "folder: correct it, or move these images elsewhere."
                )
        elif self.by_folder:
            bare = [path.as_posix() for path in images if not self.places[path.parent].level]
            if bare and self.class_level:
                raise CatalogError(
                    f"{self.data}: {len(bare):,} images have no class folder at level {self.class_level} "
                    f"({first_few(bare)}); give another `class_level`, or move them elsewhere."
                )
            if bare:
                raise CatalogError(
                    f"{self.data}: {len(bare):,} images are not in a class folder ({first_few(bare)}); put each into a "
                    "folder with the name of its class, give a CSV, or a `pattern` for the paths. (Folders called "
                    "train, valid and test are splits; if they are classes, add `split='random'` or `class_level=1`.)"
                )

    def row(self, path: PurePosixPath) -> Row:
        """The row of an image; its split is train if nothing says otherwise."""
        place = self.places[path.parent]
        text, where = self._label(path, place)
        return Row(
            path=path.as_posix(), labels=frozenset({clean_label(text, where=where)}), split=place.split or "train"
        )

    def described(self, images: Sequence[PurePosixPath]) -> str:
        """Where the labels come from, in a few words."""
        if self.pattern is not None:
            return f"the pattern {self.pattern.pattern!r}"
        if self.function is not None:
            return "a function"
        folders = {path.parent for path in images}
        levels = sorted({self.places[folder].level for folder in folders})
        shown = f"level {levels[0]}" if len(levels) == 1 else f"levels {levels[0]} to {levels[-1]}"
        is_own = all(self.places[folder].level == len(folder.parts) for folder in folders)
        return f"the image's own folder ({shown})" if is_own else f"the folder at {shown}"

    def _label(self, path: PurePosixPath, place: Place) -> tuple[str, str]:
        """The label as it is written, and where that is."""
        if self.pattern is not None:
            return first_group(self.pattern, path.as_posix()) or "", f"{self.data}: {path}"
        if self.function is not None:
            return str(self.function(self.root / path)), f"{self.data}: {path}"
        return _class_name(path.parent, place), f"{self.data}: the folder {str(path.parent)!r}"


def _ignored(found: Found) -> str:
    others = found.others
    if not others:
        return ""
    counts = [f"{suffix!r} {count:,}" for suffix, count in others.most_common()]
    return f" ({others.total():,} other files, by suffix: {first_few(counts)})"


def _maybe_images(root: Path, found: Found) -> str:
    """What to do about files that are images by their content; empty if there are none."""
    by_suffix = defaultdict(list)
    for path in found.other_files:
        by_suffix[path.suffix.casefold()].append(path)
    images = [
        next((path for path in paths[:_MAX_OPENED] if _is_plain_image(root / path)), None)
        for paths in by_suffix.values()
    ]
    shown = [repr(str(path)) for path in images if path is not None]
    return f"; {first_few(shown)} and maybe others are images by their content: add `any_suffix=True`" if shown else ""


def _is_plain_image(path: Path) -> bool:
    return is_file(path) and is_image_content(path)  # a pipe would wait for a writer


def _left_out(root: Path, found: Found, images: _Sorted) -> Iterator[str]:
    """Yield remarks about files and links that are not in the rows."""
    if found.other_files:
        yield f"files without the suffix of an image were ignored{_ignored(found)}{_maybe_images(root, found)}."
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
    if images.outside:
        tops = sorted({PurePosixPath(path.parts[0]) for path in images.outside})
        yield f"{len(images.outside):,} images outside of train, valid and test were left out: {_listed(tops)}."
    if images.unlabelled:
        yield (
            f"{len(images.unlabelled):,} test images have no label and were left out: {_listed(images.unlabelled)}; to "
            "evaluate on them, put each into a folder with the name of its class."
        )


def _folders_without_images(found: Found) -> Iterator[str]:
    """Yield a remark that names the uppermost folders without any image in or below them, each with the reason."""
    filled = {folder for path in (*found.images, *found.unwritable) for folder in path.parents}
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


def _heic(images: Sequence[PurePosixPath]) -> Iterator[str]:
    """Yield a remark that names the folders of HEIC images, if this installation does not read them."""
    if "HEIF" in formats():
        return
    counts = Counter(path.parent for path in images if path.suffix.casefold() in _HEIC_SUFFIXES)
    if counts:
        shown = [f"{str(folder)!r} {count:,}" for folder, count in sorted(counts.items())]
        yield (
            f"{counts.total():,} images are HEIC by their suffix, which is read only with the extra heic: install that "
            f"({first_few(shown)})."
        )


def _listed(paths: Sequence[PurePosixPath]) -> str:
    return first_few([repr(str(path)) for path in paths])  # repr shows characters that cannot be printed


def _class_remarks(rows: Collection[Row], places: Mapping[PurePosixPath, Place]) -> Iterator[str]:
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
