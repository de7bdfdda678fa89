"""The table of images that everything else in the trainer starts from."""

from __future__ import annotations

import functools
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from service.bundle.spec import TASK_FORMATS, Task
from service.inputs import first_few
from trainer.catalog.labels import find_coarse_labels, natural_key
from trainer.catalog.options import ReadOptions
from trainer.catalog.remarks import (
    contradicted_labels,
    label_examples,
    leaked_images,
    summary_line,
    thin_classes,
    uniform_classes,
)
from trainer.catalog.row import Row, Split
from trainer.catalog.split import HoldOut
from trainer.catalog.table import write_table
from trainer.errors import CatalogError


@dataclass(frozen=True, kw_only=True, repr=False)
class Catalog:
    """Which images there are, what each one shows, and its split.

    A catalog can always be trained on. Creating one raises CatalogError if there are no training images, or no
    validation images although there should be some, if there is only one class, if a label has no training image, if a
    class has two coarse labels, or if a path is not unique.

    Attributes:
        root: Folder that the rows' paths are relative to, absolute.
        rows: Sorted by path; every path is unique.
        label_delimiter: Separates the labels of one cell in a table; None for classification.
        drawn: The rule that drew the validation images; None if the data has validation images of its own.
        remarks: Sentences of the reader about the data.
        source: What was read, as a person named it; the root, if it has no name.
        labelled_by: Where the labels come from, in a few words; empty if that is not known.
        without_validation: Whether there are no validation images because nobody wants any.
        reading: How it was read, for images that are read later; None if it was made of lists.
        folder: Folder that was searched for images, absolute; None if a table or lists name them.
        classes: Labels of the training images, in natural order: '2' before '10'.
        coarse_labels: Coarse labels of the classes, in natural order; empty if they were not requested.
    """

    root: Path
    rows: tuple[Row, ...]
    label_delimiter: str | None = None
    drawn: HoldOut | None = None
    remarks: tuple[str, ...] = ()
    without_validation: bool = False
    reading: ReadOptions | None = None
    folder: Path | None = None
    source: str = ""
    labelled_by: str = ""
    classes: tuple[str, ...] = field(init=False)
    coarse_labels: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        labels = {label for row in self.rows if row.split == "train" for label in row.labels}
        coarse_labels = set(self._coarse_label_of.values()) - {""}
        object.__setattr__(self, "source", self.source or str(self.root))
        object.__setattr__(self, "rows", tuple(sorted(self.rows, key=lambda row: row.path)))
        object.__setattr__(self, "classes", tuple(sorted(labels, key=natural_key)))
        object.__setattr__(self, "coarse_labels", tuple(sorted(coarse_labels, key=natural_key)))
        self._check_paths()
        self._check_classes()
        self._check_labels()
        if not self.without_validation and not self.split("valid"):
            raise CatalogError(
                f"{self.root}: there are too few images to hold any out for validation ({len(self.rows)}); "
                "add images, at least two of a class, or train without validation: `split='none'`."
            )

    def __repr__(self) -> str:
        counts = ", ".join(f"{len(self.split(split)):,} {split}" for split in ("train", "valid", "test"))
        return f"Catalog({str(self.root)!r}, {len(self.classes):,} classes, {counts})"

    @property
    def task(self) -> Task:
        """`classification` (one label for each image) or `multilabel` (any number of labels)."""
        return "classification" if self.label_delimiter is None else "multilabel"

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to know before training: remarks of the reader, doubtful classes, leaks between the splits."""
        return (
            *self.remarks,
            *thin_classes(self.rows, self.classes),
            *contradicted_labels(self.rows),
            *uniform_classes(self.rows, self.classes),
            *self.leaks("valid"),
            *self.leaks("test"),
        )

    def leaks(self, split: Split) -> tuple[str, ...]:
        """Return the warning about images of a split that are exact copies of images in an earlier split, if any.

        Args:
            split: `valid` is compared with train, `test` with train and valid.
        """
        return tuple(leaked_images(self.rows, split))

    @property
    def summary(self) -> str:
        """What was read, in one line: images, classes, splits, and where the labels come from, with three examples."""
        return summary_line(
            self.rows, self.classes, source=self.source, labelled_by=self.labelled_by, drawn=self.drawn is not None
        )

    def label_examples(self, count: int) -> list[tuple[str, str]]:
        """Return the paths of at most `count` images, of different classes if possible, with their labels."""
        return label_examples(self.rows, self.classes, count=count)

    def split(self, name: Split) -> tuple[Row, ...]:
        """Return the rows of one split, sorted by path."""
        return tuple(row for row in self.rows if row.split == name)

    def file_of(self, row: Row) -> Path:
        """Return the path of the row's image."""
        return self.root / row.path

    def targets(self, rows: Sequence[Row]) -> npt.NDArray[np.int64] | npt.NDArray[np.float32]:
        """Return the targets of N rows.

        Returns:
            Classification: int64 [N], indices into `classes`. Multilabel: float32 [N, K] of 0 and 1.
        """
        if self.task == "classification":
            return np.array([self._index[label] for row in rows for label in row.labels], dtype=np.int64)
        targets = np.zeros((len(rows), len(self.classes)), dtype=np.float32)
        for number, row in enumerate(rows):
            targets[number, [self._index[label] for label in row.labels]] = 1
        return targets

    @property
    def coarse_indices(self) -> npt.NDArray[np.int64]:
        """Index into `coarse_labels` of each class: int64 [K]; [0] if there are no coarse labels."""
        index = {coarse_label: number for number, coarse_label in enumerate(self.coarse_labels)}
        return np.array([index[self._coarse_label_of[label]] for label in self.classes if index], dtype=np.int64)

    def with_hashes(self, hashes: Sequence[str | None]) -> Catalog:
        """Return the catalog with the SHA-256 of every file that can be read.

        If the validation images were drawn, they are drawn again, so that identical files share a split.

        Args:
            hashes: Hexadecimal, in the order of `rows`; None for a file that cannot be read.

        Raises:
            CatalogError: There are no validation images left.
        """
        rows = tuple(replace(row, sha256=digest) for row, digest in zip(self.rows, hashes, strict=True))
        changed = [
            row.path
            for row, now in zip(self.rows, rows, strict=True)
            if now.sha256 and row.sha256 not in (None, now.sha256)
        ]
        remarks = self.remarks
        if changed:
            remarks += (f"{len(changed):,} files have changed since the table was written: {first_few(changed)}.",)
        return replace(self, rows=self.drawn.apply(rows) if self.drawn else rows, remarks=remarks)

    def without(self, rows: Collection[Row]) -> Catalog:
        """Return the catalog without some rows. Every other row keeps its split.

        A class without any training image left is removed, together with its other images, and `warnings` says so.

        Raises:
            CatalogError: The catalog cannot be trained on any more.
        """
        dropped = {row.path for row in rows}
        left = [row for row in self.rows if row.path not in dropped]
        lost = set(self.classes) - {label for row in left if row.split == "train" for label in row.labels}
        if not lost:
            return replace(self, rows=tuple(left))
        if self.task == "classification":
            left = [row for row in left if not row.labels & lost]
        else:
            left = [replace(row, labels=row.labels - lost) for row in left]
        names = first_few([repr(name) for name in sorted(lost, key=natural_key)])
        remark = f"{len(lost):,} classes have no training image left and were left out: {names}."
        return replace(self, rows=tuple(left), remarks=(*self.remarks, remark))

    def write_csv(self, path: Path) -> None:
        """Write the table: path, label, split, sha256, note, and coarse if there are coarse labels.

        To read the same rows back, give `read_catalog` the same `root`, and `Columns` with the same `label_delimiter`
        and, if there are coarse labels, `coarse=COARSE_COLUMN`.

        Raises:
            FileExistsError: There is a file or a link at `path`.
        """
        write_table(path, self.rows, label_delimiter=self.label_delimiter)

    @functools.cached_property
    def _index(self) -> dict[str, int]:
        return {label: index for index, label in enumerate(self.classes)}

    @functools.cached_property
    def _coarse_label_of(self) -> dict[str, str]:
        entries = ((label, row.coarse_label, row.path) for row in self.rows for label in row.labels)
        return find_coarse_labels(entries, where=str(self.root))

    def _check_paths(self) -> None:
        repeated = [path for path, count in Counter(row.path for row in self.rows).items() if count > 1]
        if repeated:
            raise CatalogError(
                f"{self.root}: {len(repeated):,} images are both in the data and in the validation data "
                f"({first_few(repeated)}); remove them from one of the two."
            )

    def _check_classes(self) -> None:
        if not self.split("train"):
            raise CatalogError(f"{self.root}: there are no training images; not all of them can be held out.")
        minimum = TASK_FORMATS[self.task].min_classes
        if len(self.classes) < minimum:
            found = f"only the class {self.classes[0]!r}" if self.classes else "no label at all"
            raise CatalogError(
                f"{self.root}: the training images have {found}; {self.task} needs at least {minimum} classes"
                f"{self._level_hint()}."
            )

    def _level_hint(self) -> str:
        """What to do if the labels are the names of folders."""
        hint = "; `class_level` or `pattern` make other folders or parts of the path the label"
        return hint if self.folder is not None and self.rows else ""

    def _check_labels(self) -> None:
        known = set(self.classes)
        unknown: defaultdict[str, list[str]] = defaultdict(list)
        for row in self.rows:
            for label in row.labels - known:
                unknown[label].append(f"{row.split} image {row.path}")
        if unknown:
            found = [
                f"{label!r} ({len(unknown[label]):,} images, first the {unknown[label][0]})"
                for label in sorted(unknown, key=natural_key)
            ]
            raise CatalogError(
                f"{self.root}: no training image has the label {first_few(found)}; add training images of it, "
                "or remove these images."
            )
