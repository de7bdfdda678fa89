"""From lists of images and labels, as a notebook has them, to a catalog."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from service.inputs import first_few, unwritable
from trainer.catalog.catalog import Catalog
from trainer.catalog.cells import choose_delimiter, labels_from_python
from trainer.catalog.labels import join_spellings
from trainer.catalog.remarks import similar_labels
from trainer.catalog.row import SPLIT_NAMES, Row, Split
from trainer.catalog.split import HoldOut
from trainer.errors import CatalogError


def catalog_from_lists(
    paths: Sequence[str | os.PathLike[str]],
    labels: Sequence[str | int | Iterable[str]],
    *,
    splits: Sequence[str] | None = None,
    merge_labels: bool = False,
    valid_fraction: float = 0.2,
    seed: int = 0,
) -> Catalog:
    """Make a catalog of N images.

    Args:
        paths: N files.
        labels: N labels; or, for multilabel, N collections of labels, each of which may be empty.
        splits: N times train, valid or test; None: validation images are drawn.
        merge_labels: Whether labels that differ only in case, blanks, _, - and Unicode form are one.
        valid_fraction: Fraction of the images that is drawn for validation, if no split is valid.
        seed: Of that draw.

    Raises:
        CatalogError: The lists have different lengths, a file is not there, a label is empty, an image is listed twice
            with different labels or splits, or the catalog cannot be trained on.
    """
    if isinstance(paths, (str, os.PathLike)):
        raise CatalogError(f"the paths are one path, {str(paths)!r}; give a list of files")
    # Lists, since a column of a data frame is indexed by its own index.
    paths, labels, splits = list(paths), list(labels), None if splits is None else list(splits)
    for name, values in (("labels", labels), ("splits", splits)):
        if values is not None and len(values) != len(paths):
            raise CatalogError(f"there are {len(paths):,} paths and {len(values):,} {name}; give one for each path")
    if not paths:
        raise CatalogError("there are no paths; give the images to train on")
    files = [Path(path).parent.resolve() / Path(path).name for path in paths]
    _check_files(files)
    root = Path(os.path.commonpath([file.parent for file in files]))
    found, several = labels_from_python(labels, [str(path) for path in paths])
    rows: dict[str, Row] = {}
    for number, file in enumerate(files):
        row = Row(
            path=file.relative_to(root).as_posix(),
            labels=found[number],
            split=_split(splits[number]) if splits is not None else "train",
        )
        if rows.setdefault(row.path, row) != row:
            raise CatalogError(f"{paths[number]} is listed twice, with different labels or splits; keep the right one")
    unique = join_spellings([*rows.values()]) if merge_labels else (*rows.values(),)
    remarks = (f"{len(files) - len(rows):,} paths are listed twice.",) if len(rows) < len(files) else ()
    label_delimiter = choose_delimiter(label for row in unique for label in row.labels) if several else None
    drawn = None
    if not any(row.split == "valid" for row in unique):
        drawn = HoldOut(fraction=valid_fraction, seed=seed)
    return Catalog(
        root=root,
        rows=drawn.apply(unique) if drawn else unique,
        label_delimiter=label_delimiter,
        drawn=drawn,
        remarks=(*remarks, *similar_labels(unique)),
    )


def _check_files(files: Sequence[Path]) -> None:
    strange = [str(file) for file in files if unwritable(str(file))]
    if strange:
        raise CatalogError(f"{strange[0]!a}: this path has control characters or bytes that are not UTF-8; rename it")
    missing = [str(file) for file in files if not file.is_file()]
    if missing:
        raise CatalogError(
            f"{len(missing):,} of {len(files):,} images are not there ({first_few(missing)}); relative paths start "
            "from the working directory"
        )


def _split(name: str) -> Split:
    split = SPLIT_NAMES.get(str(name).strip().lower())
    if split is None:
        raise CatalogError(f"the split {name!r} is unknown; give train, valid or test")
    return split
