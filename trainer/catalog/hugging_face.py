"""A folder of images as Hugging Face's `imagefolder` has it: a table `metadata` lists them, in each split or in all.

Source of the form: https://huggingface.co/docs/datasets/image_dataset#imagefolder
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from service.inputs import InputError, first_few, list_folder, read_records, walk
from trainer.catalog.names import split_folders
from trainer.catalog.options import Columns
from trainer.catalog.row import Row, Source, Split
from trainer.catalog.table import LABEL_SYNONYMS, read_table
from trainer.errors import CatalogError

_TABLES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
_FILE_NAME = "file_name"


@dataclass(frozen=True, kw_only=True)
class MetadataFolder:
    """A folder whose images are listed in tables.

    Attributes:
        root: The folder, absolute, with links resolved.
        labelled: Tables with labels: folder that contains it, relative to the root -> name of the table.
        unlabelled: Those without.
    """

    root: Path
    labelled: Mapping[str, str]
    unlabelled: Mapping[str, str]


def find_metadata(folder: Path, columns: Columns) -> MetadataFolder | None:
    """Find the tables of a folder, and of the folders of its splits. A table counts if it has a column `file_name`.

    Returns:
        None if there is no such table.

    Raises:
        CatalogError: There are two tables in one folder.
        InputError: A table lists images, and cannot be read.
        OSError: The folder cannot be read.
    """
    root = folder.resolve()
    labelled: dict[str, str] = {}
    unlabelled: dict[str, str] = {}
    folders = {entry.name for entry in list_folder(root) if not entry.name.startswith(".") and entry.is_dir()}
    for place in ("", *sorted(split_folders(folders))):
        names = [entry.name for entry in list_folder(root / place) if entry.name in _TABLES and entry.is_file()]
        found = {
            name: has_label for name in names if (has_label := _has_label(root / place / name, columns)) is not None
        }
        if len(found) > 1:
            raise CatalogError(f"{root / place}: each of {' and '.join(found)} lists the images; remove one.")
        for name, has_label in found.items():
            (labelled if has_label else unlabelled)[place] = name
    return MetadataFolder(root=root, labelled=labelled, unlabelled=unlabelled) if labelled or unlabelled else None


def read_metadata_folder(found: MetadataFolder, columns: Columns, *, group_by: str = "") -> Source:
    """Read the images that the tables with labels list; see `read_table`.

    A folder of a split decides the split of its images; in one table for all, the first folder of a path does, if one
    of these folders is `train` and the table has no column `split`. Images that no table lists, and tables without
    labels, are left out, with a remark.

    Raises:
        CatalogError: As `read_table`; or an image is listed in two tables.
        InputError: As `read_table`.
    """
    rows: dict[str, Row] = {}
    remarks: list[str] = []
    has_splits, has_label_lists = False, False
    splits = split_folders([entry.name for entry in list_folder(found.root) if entry.is_dir()])
    for place, name in found.labelled.items():
        columns = replace(columns, path=_path_column(columns))
        source = read_table(found.root / place / name, root=None, columns=columns, group_by=group_by)
        remarks += source.remarks
        has_label_lists = has_label_lists or source.has_label_lists
        for row in _split_by_folder(place, source, splits):
            if row.path in rows:
                raise CatalogError(f"{found.root}: {row.path} is listed in two tables; remove it from one.")
            rows[row.path] = row
        has_splits = has_splits or bool(place) or source.has_splits
    has_splits = has_splits or any(row.split != "train" for row in rows.values())
    for place, name in found.unlabelled.items():
        remarks.append(f"{found.root / place / name}: it has no column {columns.label!r}, so its images are left out.")
    tables = first_few(sorted({*found.labelled.values()}))
    unlisted = [str(path) for path in walk(found.root).images if str(path) not in rows]
    unlisted = [ascii(path) for path in unlisted if PurePosixPath(path).parts[0] not in found.unlabelled]
    if unlisted:
        remarks.append(
            f"{found.root}: {len(unlisted):,} images are not in {tables} and were left out: {first_few(unlisted)}."
        )
    return Source(
        root=found.root,
        rows=tuple(rows.values()),
        has_splits=has_splits,
        labelled_by=f"{source.labelled_by} of {tables}",
        remarks=tuple(remarks),
        has_label_lists=has_label_lists,
    )


def metadata_without_labels(found: MetadataFolder, columns: Columns) -> str:
    """Return a remark about tables that list the images, but without labels.

    Raises:
        CatalogError: The column of the labels was named.
    """
    table = next(found.root / place / name for place, name in found.unlabelled.items())
    if columns.label != Columns().label:
        raise CatalogError(f"{table}: there is no column {columns.label!r}; name the labels with `label_column`.")
    return (
        f"{table}: it has no column {columns.label!r}, so the folders of the images are their labels (`label_column` "
        "names a column)."
    )


def _path_column(columns: Columns) -> str:
    return _FILE_NAME if columns.path == Columns().path else columns.path


def _has_label(table: Path, columns: Columns) -> bool | None:
    """Whether a table has labels; None if it does not list images."""
    path = _path_column(columns)
    labels = {columns.label} if columns.label != Columns().label else {columns.label, *LABEL_SYNONYMS}
    found: dict[str, str] = {}
    try:
        next(read_records(table, required={}, optional=(path, *labels), on_columns=found.update), None)
    except InputError:
        if path in found or table.suffix == ".parquet":  # else it is about something else, in whatever form
            raise
    return not labels.isdisjoint(found) if path in found else None


def _split_by_folder(place: str, source: Source, splits: Mapping[str, Split]) -> list[Row]:
    """The rows with paths relative to the root, and with the split that their folder gives them."""
    rows = [replace(row, path=posixpath.normpath(posixpath.join(place, row.path))) for row in source.rows]
    if source.has_splits:
        return rows
    if place:
        return [replace(row, split=splits[place]) for row in rows]
    if "train" not in splits.values():
        return rows
    return [replace(row, split=splits.get(PurePosixPath(row.path).parts[0], "train")) for row in rows]
