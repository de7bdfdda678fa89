"""The table of images that everything else in the trainer starts from."""

from __future__ import annotations

import functools
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from service.bundle.spec import Task
from trainer.catalog.errors import first_few
from trainer.catalog.grouping import groups_of
from trainer.catalog.labels import natural_key
from trainer.catalog.row import Row, Split
from trainer.catalog.split import HoldOut
from trainer.catalog.table import write_table
from trainer.errors import CatalogError


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """Which images there are, what each one is, and on which side of the split it stands.

    root             absolute folder that the rows' paths start from
    rows             sorted by path; each path once
    label_delimiter  what stands between the labels of one cell in a table; None: classification
    drawn            the rule that drew the validation images; None where the data said which they are
    remarks          what the reader has to say about the data
    classes          labels of the training images, in natural order: '2' before '10'
    groups           of the classes, in natural order; empty where nobody asked for groups

    A catalog that exists can be trained on; building one raises CatalogError when there are no training or no
    validation images, when all have one class, when a label is missing from training or has two groups, or when a path
    stands twice.
    """

    root: Path
    rows: tuple[Row, ...]
    label_delimiter: str | None = None
    drawn: HoldOut | None = None
    remarks: tuple[str, ...] = ()
    classes: tuple[str, ...] = field(init=False)
    coarse_labels: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        labels = {label for row in self.rows if row.split == "train" for label in row.labels}
        object.__setattr__(self, "rows", tuple(sorted(self.rows, key=lambda row: row.path)))
        object.__setattr__(self, "classes", tuple(sorted(labels, key=natural_key)))
        object.__setattr__(self, "coarse_labels", tuple(sorted(set(self._group_of.values()) - {""}, key=natural_key)))
        self._check_paths()
        self._check_classes()
        self._check_labels()
        if not self.split("valid"):
            raise CatalogError(
                f"{self.root}: there are too few images to hold any out for validation ({len(self.rows)}); "
                "add images, at least two of a class."
            )

    @property
    def task(self) -> Task:
        """`classification` (one label an image) or `multilabel` (any number of them)."""
        return "classification" if self.label_delimiter is None else "multilabel"

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know before training: the reader's remarks, thin classes, leaks across the split."""
        return (*self.remarks, *self._thin_classes(), *self.leaks("valid"), *self.leaks("test"))

    def leaks(self, side: Split) -> tuple[str, ...]:
        """What of `warnings` tells of images of a side that, byte for byte, were there before it: `test` comes last."""
        before: tuple[Split, ...] = ("train",) if side == "valid" else ("train", "valid")
        there = {row.sha256: row.path for other in before for row in self.split(other) if row.sha256}
        leaks = [f"{row.path} = {there[row.sha256]}" for row in self.split(side) if row.sha256 in there]
        if not leaks:
            return ()
        places = "training images" if side == "valid" else "training or validation images"
        return (
            f"{len(leaks):,} {side} images are byte for byte also among the {places}, so the result on them will look "
            f"too good: {first_few(leaks)}.",
        )

    def split(self, name: Split) -> tuple[Row, ...]:
        """The rows of one side, sorted by path."""
        return tuple(row for row in self.rows if row.split == name)

    def file_of(self, row: Row) -> Path:
        """Where the row's image lies."""
        return self.root / row.path

    def targets(self, rows: Sequence[Row]) -> npt.NDArray[np.int64] | npt.NDArray[np.float32]:
        """What a model should answer: int64 [n], indices into `classes`; for multilabel float32 [n, K] of 0 and 1."""
        if self.task == "classification":
            return np.array([self._index[label] for row in rows for label in row.labels], dtype=np.int64)
        targets = np.zeros((len(rows), len(self.classes)), dtype=np.float32)
        for number, row in enumerate(rows):
            targets[number, [self._index[label] for label in row.labels]] = 1
        return targets

    @property
    def coarse_indices(self) -> npt.NDArray[np.int64]:
        """Which of `groups` each class belongs to: int64 [K]; [0] where there are no groups."""
        numbers = {group: number for number, group in enumerate(self.coarse_labels)}
        return np.array([numbers[self._group_of[label]] for label in self.classes if numbers], dtype=np.int64)

    def with_hashes(self, hashes: Sequence[str]) -> Catalog:
        """The catalog with the SHA-256 of every row's file, in the order of `rows`.

        Where validation images were drawn they are drawn anew, so that identical files stand on one side. Raises
        CatalogError when this leaves nothing to validate on.
        """
        rows = tuple(replace(row, sha256=digest) for row, digest in zip(self.rows, hashes, strict=True))
        changed = [row.path for row, now in zip(self.rows, rows, strict=True) if row.sha256 not in (None, now.sha256)]
        remarks = self.remarks
        if changed:
            remarks += (f"{len(changed):,} files have changed since the table was written: {first_few(changed)}.",)
        return replace(self, rows=self.drawn.apply(rows) if self.drawn else rows, remarks=remarks)

    def without(self, rows: Collection[Row]) -> Catalog:
        """The catalog without these rows; every other row keeps its side.

        A class that has no training image left is left out, its other images with it, and `warnings` says so.
        Raises CatalogError when what is left cannot be trained on.
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
        """Write the table: path, label, split, sha256, note; group where there are groups.

        `read_catalog(path, root=catalog.root, label_delimiter=catalog.label_delimiter)` gives the same rows back, with
        their groups where `coarse_column=COARSE_COLUMN` is asked for.
        Raises FileExistsError where something stands at `path`.
        """
        write_table(path, self.rows, label_delimiter=self.label_delimiter)

    @functools.cached_property
    def _index(self) -> dict[str, int]:
        return {label: index for index, label in enumerate(self.classes)}

    @functools.cached_property
    def _group_of(self) -> dict[str, str]:
        return groups_of(
            ((label, row.coarse_label, row.path) for row in self.rows for label in row.labels), where=str(self.root)
        )

    def _check_paths(self) -> None:
        twice = [path for path, count in Counter(row.path for row in self.rows).items() if count > 1]
        if twice:
            raise CatalogError(
                f"{self.root}: {len(twice):,} images stand both in the data and in the validation data "
                f"({first_few(twice)}); take them out of one of the two."
            )

    def _check_classes(self) -> None:
        if not self.split("train"):
            raise CatalogError(f"{self.root}: there are no training images; not all of them can be held out.")
        least = 2 if self.task == "classification" else 1
        if len(self.classes) < least:
            found = f"only the class {self.classes[0]!r}" if self.classes else "no label at all"
            raise CatalogError(
                f"{self.root}: the training images have {found}; {self.task} needs at least {least} to tell apart."
            )

    def _check_labels(self) -> None:
        known = set(self.classes)
        strange: defaultdict[str, list[str]] = defaultdict(list)
        for row in self.rows:
            for label in row.labels - known:
                strange[label].append(f"{row.split} image {row.path}")
        if strange:
            found = [
                f"{label!r} ({len(strange[label]):,} images, first the {strange[label][0]})"
                for label in sorted(strange, key=natural_key)
            ]
            raise CatalogError(
                f"{self.root}: no training image has the label {first_few(found)}; add training images of it, "
                "or take these images out."
            )

    def _thin_classes(self) -> Iterable[str]:
        counts = {
            side: Counter(label for row in self.split(side) for label in row.labels) for side in ("train", "valid")
        }
        total = len(self.classes)
        single = [repr(name) for name in self.classes if counts["train"][name] == 1]
        unmeasured = [repr(name) for name in self.classes if not counts["valid"][name]]
        if single:
            yield f"{len(single):,} of {total:,} classes have a single training image: {first_few(single)}."
        if unmeasured:
            yield (
                f"{len(unmeasured):,} of {total:,} classes have no validation image, so nothing is measured on them: "
                f"{first_few(unmeasured)}."
            )
