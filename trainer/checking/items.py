"""Which images are checked: those of a catalog, or, if there can be none, all images of a folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from service.inputs import InputError, walk
from trainer.catalog import Catalog
from trainer.errors import CatalogError


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One image to check.

    Attributes:
        path: Relative to the root, POSIX.
        labels: What it shows; empty if that is not known.
        split: `train`, `valid` or `test` if the data says so; empty if the split is drawn, or there is none.
    """

    path: str
    labels: frozenset[str]
    split: str


@dataclass(frozen=True, kw_only=True)
class Items:
    """The images to check.

    Attributes:
        root: Folder that their paths are relative to, absolute.
        items: Sorted by path.
        summary: What was read, in one line.
        remarks: Sentences about the data.
    """

    root: Path
    items: tuple[Item, ...]
    summary: str
    remarks: tuple[str, ...] = ()


def items_of(catalog: Catalog) -> Items:
    """The images of a catalog."""
    is_given = catalog.drawn is None
    return Items(
        root=catalog.root,
        items=tuple(
            Item(path=row.path, labels=row.labels, split=row.split if is_given else "") for row in catalog.rows
        ),
        summary=catalog.summary,
        remarks=catalog.remarks,
    )


def read_items(data: Path, read: Callable[[], Catalog]) -> Items:
    """Read the images of a folder or a table.

    What cannot be trained on is checked, too: a folder without folders for the classes, or with one class.

    Args:
        data: The folder or the table.
        read: Reads its catalog, which may raise CatalogError.

    Raises:
        CatalogError: There is no image, or the table cannot be read.
    """
    try:
        return items_of(read())
    except CatalogError as error:
        found = _walk(data)
        if not found:
            raise
        remark = f"checked without labels, because these images cannot be trained on as they are: {error}"
        items = tuple(Item(path=path, labels=frozenset(), split="") for path in found)
        summary = f"{data}: {len(items):,} images, without labels"
        return Items(root=data.resolve(), items=items, summary=summary, remarks=(remark,))


def _walk(data: Path) -> list[str]:
    """The paths of all images of a folder; none if it is no folder, or cannot be read."""
    if not data.is_dir():
        return []
    try:
        return sorted(path.as_posix() for path in walk(data.resolve()).images)
    except InputError:
        return []
