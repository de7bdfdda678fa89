"""One image of a catalog."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Split = Literal["train", "valid", "test"]

# What folders and the `split` column may say (in any case) -> the side that is meant.
SPLIT_NAMES: Mapping[str, Split] = {
    "train": "train",
    "valid": "valid",
    "val": "valid",
    "validation": "valid",
    "test": "test",
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One image: where it is, what it is, on which side of the split it stands.

    path    from the catalog's root, POSIX; begins with `..` where the image lies outside of the root. It is the
            image's name in every table that we write, and stands once in a catalog
    labels  exactly one for classification, any number for multilabel
    side    `train`, `valid` or `test`
    sha256  of the file's bytes, hexadecimal; None until it was hashed
    group   coarser name of the label; empty where nobody asked for groups
    note    free text that travels with the row
    """

    path: str
    labels: frozenset[str]
    split: Split
    sha256: str | None = None
    coarse_label: str = ""
    note: str = ""
