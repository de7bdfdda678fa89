"""One image of a catalog, and what a reader finds in one folder or table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Split = Literal["train", "valid", "test"]

# Names of folders and values of the column `split` (in any case) -> the split.
SPLIT_NAMES: Mapping[str, Split] = {
    "train": "train",
    "valid": "valid",
    "val": "valid",
    "validation": "valid",
    "test": "test",
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One image: its file, its labels and its split.

    Attributes:
        path: Relative to the catalog's root, POSIX; starts with `..` if the image is outside of the root. It identifies
            the image in every table that is written, and is unique in a catalog.
        labels: Exactly one for classification, any number for multilabel.
        split: `train`, `valid` or `test`.
        sha256: Of the file's bytes, hexadecimal; None before the file is hashed.
        coarse_label: Coarse label of the class; empty if coarse labels were not requested.
        note: Free text that is kept with the row.
        group: Images of one group share a split if it is drawn; empty if the image belongs to no group.
    """

    path: str
    labels: frozenset[str]
    split: Split
    sha256: str | None = None
    coarse_label: str = ""
    note: str = ""
    group: str = ""


@dataclass(frozen=True, kw_only=True)
class Source:
    """The images of one folder or table.

    Attributes:
        root: Folder that the rows' paths are relative to, absolute, with links resolved.
        rows: If the source has no splits, the split of every row is `train`.
        has_splits: Whether the source gives the split of each image.
        labelled_by: Where the labels come from, in a few words.
        remarks: Sentences about what was left out, merged or assumed.
        has_label_lists: Whether each image has a list of labels.
    """

    root: Path
    rows: tuple[Row, ...]
    has_splits: bool
    labelled_by: str
    remarks: tuple[str, ...] = ()
    has_label_lists: bool = False
