"""Which images are checked: those of a catalog, or, if there can be none, all images of a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from service.inputs import InputError, walk
from trainer.catalog import Catalog, Columns, read_catalog
from trainer.errors import CatalogError

_DEFAULT_COLUMNS = Columns()


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
        remarks: Sentences about the data.
    """

    root: Path
    items: tuple[Item, ...]
    remarks: tuple[str, ...] = ()


def items_of(catalog: Catalog) -> Items:
    """The images of a catalog."""
    is_given = catalog.drawn is None
    return Items(
        root=catalog.root,
        items=tuple(
            Item(path=row.path, labels=row.labels, split=row.split if is_given else "") for row in catalog.rows
        ),
        remarks=catalog.remarks,
    )


def read_items(
    data: Path, *, valid: Path | None = None, root: Path | None = None, columns: Columns = _DEFAULT_COLUMNS
) -> Items:
    """Read the images of a folder or a table.

    What cannot be trained on is checked, too: a folder without folders for the classes, or with one class.

    Args:
        data: See `trainer.catalog.read_catalog`.
        valid: See there.
        root: See there.
        columns: See there.

    Raises:
        CatalogError: There is no image, or the table cannot be read.
    """
    try:
        return items_of(read_catalog(data, valid=valid, root=root, columns=columns))
    except CatalogError as error:
        if not data.is_dir():
            raise
        found = _walk(data)
        if not found:
            raise
        remark = f"without labels, because a training could not read them: {error}"
        return Items(
            root=data.resolve(),
            items=tuple(Item(path=path, labels=frozenset(), split="") for path in found),
            remarks=(remark,),
        )


def _walk(data: Path) -> list[str]:
    try:
        return sorted(path.as_posix() for path in walk(data.resolve()).images)
    except InputError:
        return []
