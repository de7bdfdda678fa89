"""DATA, as the command line takes it, -> a catalog."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path, PurePosixPath

from trainer.catalog.catalog import Catalog
from trainer.catalog.errors import CatalogError
from trainer.catalog.folder import read_folder
from trainer.catalog.labels import unwritable
from trainer.catalog.row import Row
from trainer.catalog.source import Source
from trainer.catalog.split import HoldOut
from trainer.catalog.table import Columns, read_table

_TABLE_SUFFIXES = (".csv", ".tsv")


def read_catalog(
    data: Path,
    *,
    valid: Path | None = None,
    root: Path | None = None,
    path_column: str = "path",
    label_column: str = "label",
    label_delimiter: str | None = None,
    group_column: str | None = None,
    valid_share: float = 0.2,
    seed: int = 0,
) -> Catalog:
    """The catalog of a folder (one folder a class) or a CSV.

    valid            second folder or CSV, all of it to validate on; with it `data` may have no validation images
    root             folder that the paths of the CSVs start from (of both, where `valid` is one too); by default each
                     CSV's own folder
    label_delimiter  makes it multilabel, and needs CSVs
    group_column     of the CSVs: the group of each image's class; for classification alone
    valid_share      of the images that are not for testing, held out by `hold_out` where the data has no
                     validation images of its own

    Raises CatalogError: one sentence on what is wrong, where, and what to do. What is only odd is in `warnings`.
    """
    if label_delimiter == "":
        raise CatalogError("The label delimiter is empty; give the character that stands between labels, such as ';'.")
    if group_column is not None and label_delimiter is not None:
        raise CatalogError(
            f"{data}: groups are of classes, of which an image has one; leave --group-column or --label-delimiter out."
        )
    columns = Columns(path=path_column, label=label_column, label_delimiter=label_delimiter, group=group_column)
    if root is not None and not any(_is_table(source) for source in (data, valid) if source):
        raise CatalogError(f"{data}: a root is for the paths of a CSV, and this is a folder; leave --root out.")
    source = _read(data, root=root, columns=columns)
    rows, remarks, drawn = source.rows, source.remarks, None
    if valid is not None:
        second = _read(valid, root=root, columns=columns)
        if any(row.side == "valid" for row in rows):
            raise CatalogError(f"{data}: it has validation images of its own, and {valid} gives others; give one set.")
        rows += _validation_rows(valid, second, root=source.root)
        remarks += second.remarks
    elif not any(row.side == "valid" for row in rows):
        drawn = HoldOut(share=valid_share, seed=seed)
        rows = drawn.apply(rows)
    return Catalog(root=source.root, rows=rows, label_delimiter=label_delimiter, drawn=drawn, remarks=remarks)


def _is_table(data: Path) -> bool:
    return data.suffix.casefold() in _TABLE_SUFFIXES and not data.is_dir()


def _read(data: Path, *, root: Path | None, columns: Columns) -> Source:
    try:
        data.stat()
    except OSError as error:
        raise CatalogError(
            f"{data}: there is nothing here that can be read ({error.strerror}); give a folder of images or a CSV."
        ) from error
    if unwritable(str(data.resolve())):
        raise CatalogError(
            f"{str(data.resolve())!a}: this path holds control characters or bytes that are not UTF-8; rename it."
        )
    if _is_table(data):
        return read_table(data, root=root, columns=columns)
    if not data.is_dir():
        raise CatalogError(f"{data}: this is neither a folder nor a CSV; give a folder of images or a .csv file.")
    if columns.label_delimiter is not None:
        raise CatalogError(f"{data}: a folder gives an image one label; several labels an image need a CSV.")
    if columns.group is not None:
        raise CatalogError(f"{data}: this is a folder; groups are read from a column, and need a CSV.")
    return read_folder(data)


def _validation_rows(valid: Path, source: Source, *, root: Path) -> tuple[Row, ...]:
    """The rows of a second source, seen from the first one's root."""
    if source.sided and any(row.side == "train" for row in source.rows):
        raise CatalogError(f"{valid}: some of it is marked as train; validate on images that are not trained on.")
    way = PurePosixPath(os.path.relpath(source.root, root))
    return tuple(
        replace(row, path=os.path.normpath(way / row.path), side=row.side if source.sided else "valid")
        for row in source.rows
    )
