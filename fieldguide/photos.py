"""The images of a training from Python: the sample, a catalog, and what the network is fed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import trainer.catalog
from fieldguide.inputs import read_inputs
from fieldguide.paths import StrPath, optional_path, require_positive
from trainer.catalog import Catalog, Columns, ReadOptions, catalog_from_lists
from trainer.progress import NoProgress
from trainer.recipe import Recipe
from trainer.report.contact_sheet import ContactSheet
from trainer.report.contact_sheet_page import contact_sheet_html
from trainer.run import ShowOptions, choose_sheet, show_images, usable_threads, write_contact_sheet
from trainer.sample import Sample, write_sample


def sample(folder: StrPath, *, seed: int = 0) -> Sample:
    """Write a small real dataset with planted faults, to try everything on: handwritten digits.

    Args:
        folder: New folder for the images; a recipe and good images to evaluate on are written beside it.
        seed: Another seed plants other faults.

    Returns:
        `folder`, `held_out` (images to evaluate on), `recipe_file`, `planted_file`.

    Raises:
        FileExistsError: Something is there already.
    """
    return write_sample(Path(folder), seed=seed)


def read_catalog(
    data: StrPath | None = None,
    *,
    paths: Sequence[StrPath] | None = None,
    labels: Sequence[str | int | Iterable[str]] | None = None,
    splits: Sequence[str] | None = None,
    valid: StrPath | None = None,
    root: StrPath | None = None,
    path_column: str | None = None,
    label_column: str | None = None,
    label_delimiter: str | None = None,
    coarse_column: str | None = None,
    suffix: str | None = None,
    class_level: int | None = None,
    pattern: str | None = None,
    label: Callable[[Path], str | Iterable[str]] | None = None,
    any_suffix: bool | None = None,
    merge_labels: bool | None = None,
    split: str | Callable[[Path], str] | None = None,
    valid_list: StrPath | None = None,
    group_by: str | None = None,
    valid_fraction: float = 0.2,
    seed: int = 0,
) -> Catalog:
    """Read which images there are, what each one shows, and its split. Give `data`, or `paths` and `labels`.

    `catalog.summary` says in one line what was read, and `catalog.warnings` what is doubtful about it.

    Args:
        data: A folder with one folder for each class, an archive of one (zip, tar, tgz), or a table (CSV, JSON lines,
            Parquet).
        paths: N files.
        labels: N labels; for several labels for each image, N lists of labels.
        splits: For `paths`: N times train, valid or test; None: validation images are drawn.
        valid: Second folder, archive or table, to validate on.
        root: Folder or archive that the paths in a table are relative to; None: its own folder.
        path_column: Column of a table; None: path.
        label_column: Column of a table; None: label.
        label_delimiter: Separates the labels in one cell of a table: each image may have several labels.
        coarse_column: Column of a table with a coarser label.
        suffix: Suffix of the images, such as `.jpg`, if the paths in a table have none.
        class_level: Level of the folder that is the label, counted from `data`: 1 is a folder directly in it. None: the
            image's own folder, or the nearest one above it whose name says something.
        pattern: Regular expression whose first group is the label. It is searched for in / and the POSIX path of the
            image from `data`.
        label: Gives the label of an image of a folder, or its list of labels; the argument is its absolute path.
        any_suffix: Whether files without the suffix of an image count, too, if their content is one.
        merge_labels: Whether labels that differ only in case, blanks, _, - and Unicode form are one.
        split: auto (as the data says, else random), random, folder, list or none, as for `fit`; or a function that
            gives the split of an image, train, valid or test; the argument is its absolute path. If it never gives
            valid, validation images are drawn from the training images.
        valid_list: Text file with the paths of the validation images, one a line.
        group_by: Column of a CSV, or a regular expression like `pattern`: images of one group share a split. `similar`:
            near duplicates do, which `fit` finds.
        valid_fraction: Fraction of the images that is held out for validation, if no others are named.
        seed: Another seed holds out other images.

    Raises:
        TrainerError: The images cannot be trained on. The message says what is wrong, where, and what to do.
        TypeError: `data` and `paths` are given, or neither; or an argument that is for the other one.
    """
    if paths is not None or labels is not None:
        if data is not None or paths is None or labels is None:
            raise TypeError("give `data`, or `paths` and `labels`")
        for_data = {
            "valid": valid,
            "root": root,
            "path_column": path_column,
            "label_column": label_column,
            "label_delimiter": label_delimiter,
            "coarse_column": coarse_column,
            "suffix": suffix,
            "class_level": class_level,
            "pattern": pattern,
            "label": label,
            "any_suffix": any_suffix,
            "split": split,
            "valid_list": valid_list,
            "group_by": group_by,
        }
        unused = [name for name, value in for_data.items() if value is not None]
        if unused:
            raise TypeError(f"`{unused[0]}` is for a folder or CSV; leave it out, or give `data` in place of `paths`")
        return catalog_from_lists(
            paths,
            labels,
            splits=splits,
            merge_labels=bool(merge_labels),
            valid_fraction=valid_fraction,
            seed=seed,
        )
    if data is None:
        raise TypeError("give `data`, or `paths` and `labels`")
    if splits is not None:
        raise TypeError(
            "`splits` is for `paths`; a CSV may have a column split, and a folder the folders train and valid"
        )
    options = ReadOptions(
        root=optional_path(root),
        columns=Columns(
            path=path_column or "path",
            label=label_column or "label",
            label_delimiter=label_delimiter,
            coarse=coarse_column,
            suffix=suffix or "",
        ),
        class_level=class_level or 0,
        pattern=pattern or "",
        label=label,
        any_suffix=bool(any_suffix),
        merge_labels=bool(merge_labels),
        split=split if isinstance(split, str) else "auto",
        split_of=None if isinstance(split, str) else split,
        valid_list=optional_path(valid_list),
        group_by=group_by or "",
        valid_fraction=valid_fraction,
        seed=seed,
    )
    return trainer.catalog.read_catalog(Path(data), options, valid=optional_path(valid))


class Batch:
    """Images as the network is fed with them. In a notebook they are shown, with validation images.

    Attributes:
        images: uint8 [N, size, size, 3]: training images, cropped, turned and lit as the recipe says. A list of N
            arrays if their sizes differ: one image in epochs of progressive resizing.
        labels: The labels of each image.
        paths: Path of each image, from the catalog's root.
    """

    def __init__(self, sheet: ContactSheet, folder: Path | None) -> None:
        tiles = sheet.sections[0].tiles
        images = [tile.pixels for tile in tiles]
        self.images = np.stack(images) if len({image.shape for image in images}) == 1 else images
        self.labels = tuple(tile.labels for tile in tiles)
        self.paths = tuple(tile.path for tile in tiles)
        self._sheet = sheet
        self._folder = folder

    def __repr__(self) -> str:
        sizes = sorted({image.shape[0] for image in self.images})
        return f"Batch({len(self.images)} images of {', '.join(f'{size} x {size}' for size in sizes)} pixels)"

    def _repr_html_(self) -> str:
        return contact_sheet_html(self._sheet)

    def save(self, out: StrPath) -> Path:
        """Write what a notebook shows to a new .html or .png.

        Raises:
            FileExistsError: `out` exists already.
            TrainerError: It has another suffix, or would be among the images.
        """
        path = choose_sheet(Path(out), self._folder)
        write_contact_sheet(self._sheet, path)
        return path


def show_batch(
    data: StrPath | Catalog,
    *,
    n: int = 12,
    class_name: str | None = None,
    image: StrPath | None = None,
    recipe: Recipe | StrPath | None = None,
    **options: Any,
) -> Batch:
    """Show what `fit`, with the same arguments, would feed the network. The same as the command `fieldguide show`.

    Training images are shown as epoch 1 of the training uses them, beside the originals with their crops; mixed ones if
    the recipe mixes; validation images as they are validated and served.

    Args:
        data: A folder with one folder for each class, a CSV, or a catalog.
        n: Number of images of each split, of different classes if possible.
        class_name: Only images of this class.
        image: Path of one image of the data: it is shown as nine epochs show it.
        recipe: A recipe, or a TOML file of one; None: every default.
        **options: Those of `fit`: backbone, size, seed, mixup ...

    Raises:
        TrainerError: The images or the recipe cannot be used, there is no such class or image, or none of the images
            can be decoded.
        TypeError: There is no such option.
        ValueError: `n` is less than 1.
    """
    require_positive(n)
    inputs = read_inputs(data, recipe, options)
    complete = inputs.complete_recipe(lambda _text: None)
    chosen = ShowOptions(count=n, class_name=class_name, image=optional_path(image))
    sheet = show_images(complete, chosen, threads=usable_threads(None), progress=NoProgress(), catalog=inputs.catalog)
    return Batch(sheet, inputs.catalog.folder if inputs.catalog else Path(complete.data.path))
