"""A folder of images: the label of an image is the name of a folder above it, or what the options say."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from service.inputs import IMAGE_SUFFIXES, first_few, walk
from trainer.catalog.cells import labels_from_python
from trainer.catalog.folder_remarks import (
    class_remarks,
    folders_without_images,
    heic_images,
    ignored_files,
    left_out,
    maybe_images,
)
from trainer.catalog.labels import clean_label
from trainer.catalog.levels import Place, place_folders
from trainer.catalog.names import COLLECTED, is_placeholder
from trainer.catalog.options import ReadOptions, compile_pattern, first_group
from trainer.catalog.row import Row, Source
from trainer.errors import CatalogError

_DEFAULT = ReadOptions()


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
    found.other_files = [path for path in found.other_files if str(path) not in COLLECTED]
    if not found.images:
        suffixes = ", ".join(sorted(IMAGE_SUFFIXES))
        raise CatalogError(
            f"{data}: there is no image here{ignored_files(found)}{maybe_images(root, found)}; give a folder that "
            f"contains one folder of images for each class. Images are files that end in {suffixes}."
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
    images = _sort_out(found.images, places, labels_by_folder=labeller.by_folder)
    labeller.require_all(images.used)
    rows, has_label_lists = labeller.rows(images.used)
    remarks = [
        *left_out(root, found, outside=images.outside, unlabelled=images.unlabelled),
        *folders_without_images(found),
        *heic_images(images.used),
    ]
    if labeller.by_folder:
        remarks += class_remarks(rows, places)
    return Source(
        root=root,
        rows=rows,
        has_splits=any(places[path.parent].split is not None for path in images.used),
        labelled_by=labeller.described(images.used),
        remarks=tuple(f"{data}: {remark}" for remark in remarks),
        has_label_lists=has_label_lists,
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
    outside, unlabelled = set(), set()
    if any(place.start and place.split == "train" for place in places.values()):
        outside = {folder for folder, place in places.items() if not place.start}
        unlabelled = _without_label(places) if labels_by_folder else set()
    not_used = outside | unlabelled
    return _Sorted(
        used=sorted(path for path in images if path.parent not in not_used),
        outside=sorted(path for path in images if path.parent in outside),
        unlabelled=sorted(path for path in images if path.parent in unlabelled),
    )


def _without_label(places: Mapping[PurePosixPath, Place]) -> set[PurePosixPath]:
    """Return the folders of test images that are no class folders, or the only one if it stands for none."""
    train, test = (
        {folder: place.class_name(folder) for folder, place in places.items() if place.start and place.split == split}
        for split in ("train", "test")
    )
    tested = {*test.values()} - {""}
    placeholders = {name for name in tested - {*train.values()} if len(tested) == 1 and is_placeholder(name)}
    return {folder for folder, name in test.items() if name in placeholders | {""}}


@dataclass(frozen=True, kw_only=True)
class _Labeller:
    """Gives each image of a folder its label and split."""

    data: Path
    root: Path
    places: Mapping[PurePosixPath, Place]
    class_level: int
    pattern: re.Pattern[str] | None
    function: Callable[[Path], str | Iterable[str]] | None

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

    def rows(self, images: Sequence[PurePosixPath]) -> tuple[tuple[Row, ...], bool]:
        """The rows of images, whose split is train if nothing says otherwise; and whether each has a list of labels."""
        has_label_lists = False
        if self.function is not None:
            names = [f"{self.data}: {path}" for path in images]
            labels, has_label_lists = labels_from_python([self.function(self.root / path) for path in images], names)
        else:
            labels = [frozenset({self._label(path)}) for path in images]
        splits = [self.places[path.parent].split or "train" for path in images]
        rows = (
            Row(path=path.as_posix(), labels=own, split=split)
            for path, own, split in zip(images, labels, splits, strict=True)
        )
        return tuple(rows), has_label_lists

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

    def _label(self, path: PurePosixPath) -> str:
        """The label by the pattern, or by the folders."""
        if self.pattern is not None:
            return clean_label(first_group(self.pattern, path.as_posix()) or "", where=f"{self.data}: {path}")
        text = self.places[path.parent].class_name(path.parent)
        return clean_label(text, where=f"{self.data}: the folder {str(path.parent)!r}")
