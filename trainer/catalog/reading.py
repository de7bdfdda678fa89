"""From a folder or a CSV to a catalog."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from service.inputs import InputError, first_few, is_archive, is_table, unwritable
from trainer.catalog.archives import archive_remarks, archive_root
from trainer.catalog.catalog import Catalog
from trainer.catalog.cells import choose_delimiter
from trainer.catalog.folder import read_folder
from trainer.catalog.hugging_face import find_metadata, metadata_without_labels, read_metadata_folder
from trainer.catalog.labels import join_spellings, relabelled, same_spelling
from trainer.catalog.options import ReadOptions
from trainer.catalog.remarks import similar_labels
from trainer.catalog.row import Row, Source, Split
from trainer.catalog.splitting import assign_groups, assign_splits, divided_groups
from trainer.catalog.table import read_table
from trainer.errors import CatalogError

_DEFAULT = ReadOptions()


def read_catalog(
    data: Path, options: ReadOptions = _DEFAULT, *, valid: Path | None = None, must_exist: bool = True
) -> Catalog:
    """Read a folder (with one folder for each class) or a CSV.

    Args:
        data: The folder or CSV.
        options: How to read it. A label delimiter and coarse labels need CSVs.
        valid: A second folder or CSV, of which all images are for validation, unless its column `split` says test.
            Then `data` must not have validation images.
        must_exist: Whether the images that a CSV lists must be there.

    Raises:
        CatalogError: The data cannot be trained on. The message says what is wrong, where, and what to do. What is only
            unusual is in `warnings` of the catalog.
    """
    _check_root(options.root, data, valid)
    source = _read(data, options, must_exist=must_exist)
    remarks, drawn = (*source.remarks, *_unused(data, options)), None
    if valid is None:
        source = replace(source, rows=assign_groups(data, source.rows, options))
        rows, drawn = assign_splits(data, source, options)
        remarks += tuple(divided_groups(rows))
    else:
        if not options.uses_own_splits or options.split == "folder":
            raise CatalogError(f"{valid}: it gives the validation images; leave out `split` and `valid_list`.")
        if options.group_by:
            raise CatalogError(f"{valid}: it gives the validation images, so no split is drawn; leave out `group_by`.")
        second = _read(valid, options, must_exist=must_exist)
        if any(row.split == "valid" for row in source.rows):
            raise CatalogError(f"{data}: it has validation images already, and {valid} gives others; give one set.")
        if second.has_splits and any(row.split == "train" for row in second.rows):
            raise CatalogError(
                f"{valid}: some images are marked as train; validate on images that are not used in training."
            )
        if options.columns.label_delimiter is None and second.has_label_lists != source.has_label_lists:
            raise CatalogError(f"{data} and {valid}: the label is a list in only one of them; write lists in both.")
        rows = source.rows + _relative_to(source.root, second.root, _in_split("valid", second))
        remarks += second.remarks
    if options.merge_labels:
        rows = join_spellings(rows)
    else:
        remarks += tuple(similar_labels(rows))
    label_delimiter = options.columns.label_delimiter
    if label_delimiter is None and source.has_label_lists:
        label_delimiter = choose_delimiter(label for row in rows for label in row.labels)
    return Catalog(
        root=source.root,
        rows=rows,
        label_delimiter=label_delimiter,
        drawn=drawn,
        remarks=remarks,
        folder=source.root if data.is_dir() else None,
        source=str(data) if valid is None else f"{data} and {valid}",
        labelled_by=source.labelled_by,
        without_validation=options.split == "none",
        reading=options,
    )


def read_test(catalog: Catalog, data: Path, options: ReadOptions = _DEFAULT, *, purpose: str = "a test") -> Catalog:
    """Replace the test images of a catalog with the images of a folder or CSV.

    Args:
        catalog: Its label delimiter is used to read the CSV, and its coarse labels are given to the test images.
        data: The folder or CSV. If it has splits, only its test images are used.
        options: How to read it. What they say about splits and about other columns than those of path and label is
            ignored.
        purpose: What the images are for, in messages.

    Returns:
        A catalog with the root of `data`.

    Raises:
        CatalogError: As for `read_catalog`; also if there is no test image, or if one is used in training or
            validation.
    """
    columns = replace(options.columns, label_delimiter=catalog.label_delimiter, coarse=None)
    options = replace(options, columns=columns, split="auto", valid_list=None, split_of=None, group_by="")
    _check_root(options.root, data)
    source = _read(data, options, must_exist=True, known=catalog.classes)
    rows = [row for row in _in_split("test", source) if row.split == "test"]
    if not rows:
        raise CatalogError(f"{data}: none of its images is marked as test; give a folder or CSV of test images.")
    if options.merge_labels:
        own_spelling = {label: same_spelling(label, catalog.classes) for row in rows for label in row.labels}
        rows = list(relabelled(rows, own_spelling))
    own = _relative_to(source.root, catalog.root, (*catalog.split("train"), *catalog.split("valid")))
    kept = {row.path: row for row in own}
    seen = [f"{row.path} ({kept[row.path].split})" for row in rows if row.path in kept]
    if seen:
        raise CatalogError(
            f"{data}: {len(seen):,} of its {len(rows):,} images were used in training ({first_few(seen)}); "
            f"{purpose} needs images that were not: remove these."
        )
    coarse_labels = {row.labels: row.coarse_label for row in catalog.rows}
    tested = (replace(row, coarse_label=coarse_labels.get(row.labels, "")) for row in rows)
    return replace(
        catalog,
        root=source.root,
        rows=(*kept.values(), *tested),
        remarks=source.remarks,
        source=str(data),
        labelled_by=source.labelled_by,
    )


def read_source(data: Path, options: ReadOptions = _DEFAULT, *, known: Collection[str] = ()) -> Source:
    """Read which images there are and their labels, whatever they are: nothing is drawn, and no class is required.

    Args:
        data: Folder, table or archive; its images must be there.
        options: How to read it.
        known: Labels that the names of folders may be.

    Raises:
        CatalogError: It cannot be read.
    """
    _check_root(options.root, data)
    return _read(data, options, must_exist=True, known=known)


def _check_root(root: Path | None, *sources: Path | None) -> None:
    if root is not None and not any(is_table(source) for source in sources if source):
        raise CatalogError(f"{sources[0]}: `root` is for the paths in a CSV, and this is a folder; leave it out.")


def _unused(data: Path, options: ReadOptions) -> Iterator[str]:
    """Yield a remark about options that do not matter to a table."""
    for_folders = ("class_level", "pattern", "label", "any_suffix")
    unused = [f"`{name}`" for name in for_folders if getattr(options, name) and is_table(data)]
    if unused:
        yield f"{data}: {', '.join(unused)}: no effect on a CSV, whose columns give paths and labels."


def _read(data: Path, options: ReadOptions, *, must_exist: bool, known: Collection[str] = ()) -> Source:
    """Read a folder or a table. This is the place where an InputError becomes a CatalogError."""
    columns = options.columns
    try:
        data.stat()
    except FileNotFoundError as error:
        raise CatalogError(
            f"{data}: there is no such folder or file; give a folder of images, a .csv or a .zip."
        ) from error
    except OSError as error:
        raise CatalogError(f"{data}: this cannot be read ({error.strerror}); give another path.") from error
    if unwritable(str(data.resolve())):
        raise CatalogError(
            f"{str(data.resolve())!a}: this path has control characters or bytes that are not UTF-8; rename it."
        )
    try:
        if is_table(data):
            return read_table(
                data, root=options.root, columns=columns, group_by=options.group_by, must_exist=must_exist
            )
        if not data.is_dir() and not is_archive(data):
            raise CatalogError(
                f"{data}: this is neither a folder, a table nor an archive; give a folder of images, a .csv or a .zip."
            )
        folder = data if data.is_dir() else archive_root(data)
        remarks = () if data.is_dir() else archive_remarks(data)
        metadata = find_metadata(folder, columns)
        if metadata is not None and metadata.labelled:
            source = read_metadata_folder(metadata, columns, group_by=options.group_by)
            return replace(source, remarks=(*remarks, *source.remarks))
        if metadata is not None:
            remarks += (metadata_without_labels(metadata, columns),)
        if columns.label_delimiter is not None:
            raise CatalogError(f"{data}: a folder gives each image one label; several labels for an image need a CSV.")
        if columns.coarse is not None:
            raise CatalogError(f"{data}: this is a folder; coarse labels are read from a column, and need a CSV.")
        source = read_folder(folder, options, known=known)
        return replace(source, remarks=(*remarks, *source.remarks))
    except InputError as error:
        raise CatalogError(str(error)) from error
    except OSError as error:
        raise CatalogError(f"{data}: it cannot be read ({error.strerror}).") from error


def _in_split(split: Split, source: Source) -> tuple[Row, ...]:
    """Return the rows of a source; all of them are in `split` if the source has no splits."""
    return source.rows if source.has_splits else tuple(replace(row, split=split) for row in source.rows)


def _relative_to(root: Path, base: Path, rows: Sequence[Row]) -> tuple[Row, ...]:
    """Return rows whose paths are relative to `base` with paths relative to `root`."""
    way = PurePosixPath(os.path.relpath(base, root))
    return tuple(replace(row, path=os.path.normpath(way / row.path)) for row in rows)
