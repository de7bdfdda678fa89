"""The images of a training from Python: the sample, a catalog, and what the network is fed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import trainer.catalog
from fieldguide.inputs import read_inputs
from fieldguide.paths import StrPath, optional_path, require_positive
from trainer.catalog import Catalog, Columns, ReadOptions, catalog_from_lists
from trainer.errors import CatalogError
from trainer.model import load_backbone
from trainer.recipe import RANDOM_WEIGHTS, Recipe
from trainer.report.gallery import AugmentedExample, draw_augmented_examples
from trainer.report.notebook import examples_html
from trainer.run.inputs import read_recipe_catalog
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
    label: Callable[[Path], str] | None = None,
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
        label: Gives the label of an image of a folder; the argument is its absolute path.
        any_suffix: Whether files without the suffix of an image count, too, if their content is one.
        merge_labels: Whether labels that differ only in case, blanks, _, - and Unicode form are one.
        split: auto (as the data says, else random), random, folder or list, as for `fit`; or a function that gives the
            split of an image, train, valid or test; the argument is its absolute path. If it never gives valid,
            validation images are drawn from the training images.
        valid_list: Text file with the paths of the validation images, one a line.
        group_by: Column of a CSV, or a regular expression like `pattern`: images of one group share a split.
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


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """Training images as the network sees them. In a notebook they are shown.

    Attributes:
        images: uint8 [N, size, size, 3], cropped, turned and lit as the recipe says.
        labels: The labels of each image.
        paths: Path of each image, from the catalog's root.
    """

    images: npt.NDArray[np.uint8]
    labels: tuple[tuple[str, ...], ...]
    paths: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Batch({len(self.images)} images of {self.images.shape[1]} x {self.images.shape[2]} pixels)"

    def _repr_html_(self) -> str:
        return examples_html(
            [
                AugmentedExample(path=path, labels=labels, pixels=pixels)
                for path, labels, pixels in zip(self.paths, self.labels, self.images, strict=True)
            ]
        )


def show_batch(
    data: StrPath | Catalog, *, n: int = 12, recipe: Recipe | StrPath | None = None, **options: Any
) -> Batch:
    """Show training images as the network sees them, of different classes if possible.

    Mixing of images (mixup, cutmix) and other sizes than the model's are not shown.

    Args:
        data: A folder with one folder for each class, a CSV, or a catalog.
        n: Number of images, if there are as many.
        recipe: A recipe, or a TOML file of one; None: every default.
        **options: Those of `fit`: backbone, size, seed ...

    Raises:
        TrainerError: The images or the recipe cannot be used, or none of them can be decoded.
        TypeError: There is no such option.
        ValueError: `n` is less than 1.
    """
    require_positive(n)
    inputs = read_inputs(data, recipe, options)
    complete = inputs.complete_recipe(lambda _text: None)
    catalog = inputs.catalog or read_recipe_catalog(complete)
    pixels = load_backbone(complete.backbone, size=complete.size or None, weights=RANDOM_WEIGHTS).pixels
    found = draw_augmented_examples(catalog, complete, pixels, count=n, rows_each=1)
    if not found:
        raise CatalogError(
            f"{catalog.root}: none of the training images can be decoded; give images in an accepted format"
        )
    return Batch(
        images=np.stack([example.pixels for example in found]),
        labels=tuple(example.labels for example in found),
        paths=tuple(example.path for example in found),
    )
