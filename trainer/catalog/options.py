"""How images, labels and splits are read: everything that a person may decide about it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from trainer.errors import CatalogError
from trainer.recipe import SPLIT_RULES


@dataclass(frozen=True, kw_only=True)
class Columns:
    """How a table is read: its columns, and what stands in them.

    Attributes:
        path: Column of the image's path.
        label: Column of its label or labels.
        label_delimiter: Separates the labels of one cell, and makes the task multilabel. None: a cell is one label.
        coarse: Column of the coarse label of the image's class. None: no coarse labels.
        suffix: Suffix of the images, such as `.jpg`, if the table leaves it out.
    """

    path: str = "path"
    label: str = "label"
    label_delimiter: str | None = None
    coarse: str | None = None
    suffix: str = ""


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """How a folder or a table is read.

    Attributes:
        root: Folder that the paths in tables start from. None: each table's own folder.
        columns: How tables are read.
        class_level: Level of the folder that is the label, counted from the data: 1 is a folder directly in it. 0: the
            image's own folder, or the nearest one above it whose name says something.
        pattern: Regular expression whose first group is the label. It is searched for in `/` and the image's POSIX path
            from the data. Empty: the label is the name of a folder.
        label: Gives the label or the list of labels of an image of a folder, in place of both; the argument is its
            absolute path.
        any_suffix: Whether files without the suffix of an image are images if their content is one.
        merge_labels: Whether labels that differ only in case, blanks, `_`, `-` and Unicode form are one.
        split: `auto`: as the data says, else random. `random`: a random part is for validation; the names of folders
            and the column `split` do not matter. `folder`: the data must have splits. `list`: `valid_list` decides.
            `none`: as `random`, but all images are for training.
        valid_list: Text file with the paths of the validation images, one a line.
        split_of: Gives the split of an image, train, valid or test; the argument is its absolute path.
        group_by: Column of a table, or a regular expression like `pattern`: images of one group share a split.
        valid_fraction: Fraction of the images that are held out if the data has no validation images.
        seed: Of that draw.
    """

    root: Path | None = None
    columns: Columns = field(default_factory=Columns)
    class_level: int = 0
    pattern: str = ""
    label: Callable[[Path], str | Iterable[str]] | None = None
    any_suffix: bool = False
    merge_labels: bool = False
    split: str = "auto"
    valid_list: Path | None = None
    split_of: Callable[[Path], str] | None = None
    group_by: str = ""
    valid_fraction: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise CatalogError if options contradict each other."""
        if self.columns.label_delimiter == "":
            raise CatalogError("`label_delimiter` is empty; give the character that separates labels, such as ';'.")
        if self.columns.coarse is not None and self.columns.label_delimiter is not None:
            raise CatalogError(
                "coarse labels need images with one label each; leave out `coarse_column` or `label_delimiter`."
            )
        if self.class_level < 0:
            raise CatalogError(f"`class_level` is {self.class_level}; give 1 for the folders directly in the data.")
        ways = [("class_level", self.class_level), ("pattern", self.pattern), ("label", self.label)]
        given = [f"`{name}`" for name, value in ways if value]
        if len(given) > 1:
            raise CatalogError(f"{' and '.join(given)} both say what the label of an image is; give one of them.")
        if self.split not in SPLIT_RULES:
            raise CatalogError(f"`split` is {self.split!r}; it must be one of {', '.join(SPLIT_RULES)}.")
        if (self.split == "list") != (self.valid_list is not None) and (self.split != "auto" or not self.valid_list):
            raise CatalogError("`split='list'` and `valid_list` belong together; give both, or `valid_list` alone.")
        if self.pattern:
            compile_pattern(self.pattern, "pattern")

    @property
    def uses_own_splits(self) -> bool:
        """Whether the splits that the data has count."""
        return self.split in ("auto", "folder") and self.valid_list is None and self.split_of is None


def compile_pattern(pattern: str, name: str) -> re.Pattern[str]:
    """Compile a regular expression of the user's, which must have a group.

    Args:
        pattern: The expression.
        name: Of the parameter, for the message.

    Raises:
        CatalogError: It is not one, or has no group.
    """
    try:
        compiled = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise CatalogError(f"`{name}` {pattern!r} is not a regular expression: {error}.") from error
    if not compiled.groups:
        raise CatalogError(
            f"`{name}` {pattern!r} has no group; put parentheses around the part that counts, "
            "as in '/([^/]+)_[0-9]+[.]jpg$'."
        )
    return compiled


def first_group(pattern: re.Pattern[str], path: str) -> str | None:
    """What the first group of a pattern finds in `/` and a POSIX path; None if the pattern does not match."""
    found = pattern.search(f"/{path}")
    return found[1] if found else None
