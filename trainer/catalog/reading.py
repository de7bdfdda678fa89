"""DATA, as the command line takes it, -> a catalog."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from trainer.catalog.catalog import Catalog
from trainer.catalog.errors import first_few
from trainer.catalog.folder import read_folder
from trainer.catalog.labels import unwritable
from trainer.catalog.row import Row, Split
from trainer.catalog.source import Source
from trainer.catalog.split import HoldOut
from trainer.catalog.table import Columns, read_table
from trainer.errors import CatalogError

_TABLE_SUFFIXES = (".csv", ".tsv")


def read_catalog(
    data: Path,
    *,
    valid: Path | None = None,
    root: Path | None = None,
    path_column: str = "path",
    label_column: str = "label",
    label_delimiter: str | None = None,
    coarse_column: str | None = None,
    valid_fraction: float = 0.2,
    seed: int = 0,
    must_exist: bool = True,
) -> Catalog:
    """The catalog of a folder (one folder a class) or a CSV.

    valid            second folder or CSV, all of it to validate on; with it `data` may have no validation images
    root             folder that the paths of the CSVs start from (of both, where `valid` is one too); by default each
                     CSV's own folder
    label_delimiter  makes it multilabel, and needs CSVs
    coarse_column     of the CSVs: the group of each image's class; for classification alone
    valid_fraction      of the images that are not for testing, held out by `hold_out` where the data has no
                     validation images of its own
    must_exist          whether the images that a CSV names must be there

    Raises CatalogError: one sentence on what is wrong, where, and what to do. What is only odd is in `warnings`.
    """
    if label_delimiter == "":
        raise CatalogError("The label delimiter is empty; give the character that stands between labels, such as ';'.")
    if coarse_column is not None and label_delimiter is not None:
        raise CatalogError(
            f"{data}: groups are of classes, of which an image has one; leave --group-column or --label-delimiter out."
        )
    columns = Columns(path=path_column, label=label_column, label_delimiter=label_delimiter, group=coarse_column)
    _check_root(root, data, valid)
    source = _read(data, root=root, columns=columns, must_exist=must_exist)
    rows, remarks, drawn = source.rows, source.remarks, None
    if valid is not None:
        second = _read(valid, root=root, columns=columns, must_exist=must_exist)
        if any(row.split == "valid" for row in rows):
            raise CatalogError(f"{data}: it has validation images of its own, and {valid} gives others; give one set.")
        if second.sided and any(row.split == "train" for row in second.rows):
            raise CatalogError(f"{valid}: some of it is marked as train; validate on images that are not trained on.")
        rows += _seen_from(source.root, second.root, _on_side("valid", second))
        remarks += second.remarks
    elif not any(row.split == "valid" for row in rows):
        drawn = HoldOut(fraction=valid_fraction, seed=seed)
        rows = drawn.apply(rows)
    return Catalog(root=source.root, rows=rows, label_delimiter=label_delimiter, drawn=drawn, remarks=remarks)


def read_test(
    catalog: Catalog,
    data: Path,
    *,
    root: Path | None = None,
    path_column: str = "path",
    label_column: str = "label",
) -> Catalog:
    """A catalog with the images of a folder or CSV as its test images, in place of those that it had, and their root.

    data  where it says which side its images stand on, those for testing alone are taken
    root  folder that the paths of the CSV start from; by default its own folder

    Classes have the groups that the catalog gives them. Raises CatalogError as `read_catalog` does, and where there is
    no image to test on, or one that the catalog trains or validates on.
    """
    columns = Columns(path=path_column, label=label_column, label_delimiter=catalog.label_delimiter)
    _check_root(root, data)
    source = _read(data, root=root, columns=columns, must_exist=True)
    rows = [row for row in _on_side("test", source) if row.split == "test"]
    if not rows:
        raise CatalogError(f"{data}: none of its images is marked as test; name a folder or CSV of those to test on.")
    own = _seen_from(source.root, catalog.root, (*catalog.split("train"), *catalog.split("valid")))
    kept = {row.path: row for row in own}
    seen = [f"{row.path} ({kept[row.path].split})" for row in rows if row.path in kept]
    if seen:
        raise CatalogError(
            f"{data}: {len(seen):,} of its {len(rows):,} images were there in training ({first_few(seen)}); "
            "a test needs images that were not: take these out."
        )
    groups = {row.labels: row.coarse_label for row in catalog.rows}
    grouped = (replace(row, coarse_label=groups.get(row.labels, "")) for row in rows)
    return replace(catalog, root=source.root, rows=(*kept.values(), *grouped), remarks=source.remarks)


def _is_table(data: Path) -> bool:
    return data.suffix.casefold() in _TABLE_SUFFIXES and not data.is_dir()


def _check_root(root: Path | None, data: Path, *more: Path | None) -> None:
    if root is not None and not any(_is_table(source) for source in (data, *more) if source):
        raise CatalogError(f"{data}: a root is for the paths of a CSV, and this is a folder; leave --root out.")


def _read(data: Path, *, root: Path | None, columns: Columns, must_exist: bool) -> Source:
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
        return read_table(data, root=root, columns=columns, must_exist=must_exist)
    if not data.is_dir():
        raise CatalogError(f"{data}: this is neither a folder nor a CSV; give a folder of images or a .csv file.")
    if columns.label_delimiter is not None:
        raise CatalogError(f"{data}: a folder gives an image one label; several labels an image need a CSV.")
    if columns.group is not None:
        raise CatalogError(f"{data}: this is a folder; groups are read from a column, and need a CSV.")
    return read_folder(data)


def _on_side(side: Split, source: Source) -> tuple[Row, ...]:
    """The rows of a source, all on one side where it says none."""
    return source.rows if source.sided else tuple(replace(row, split=side) for row in source.rows)


def _seen_from(root: Path, base: Path, rows: Sequence[Row]) -> tuple[Row, ...]:
    """Rows whose paths start from `base`, with paths from `root`."""
    way = PurePosixPath(os.path.relpath(base, root))
    return tuple(replace(row, path=os.path.normpath(way / row.path)) for row in rows)
