"""The images of `calibration`: read, checked against those of the training, decoded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from service.inputs import first_few, is_table
from service.pixels import PixelSpec
from trainer.catalog import Catalog, Row, read_test, require_readable, summary_line
from trainer.data import hash_and_decode
from trainer.errors import CatalogError
from trainer.export import CalibrationSet
from trainer.recipe import Recipe
from trainer.run.environment import Environment
from trainer.run.inputs import other_read_options, reading_overrides
from trainer.wording import counted, have


@dataclass(frozen=True, kw_only=True)
class LabelledImages:
    """Images with known labels that a run has not seen, and how they are read.

    Attributes:
        path: Folder, table or archive. If it has splits, its test images are meant.
        root: Folder that the paths in a table start from; None: the table's own.
        path_column: Of a table; None: as in the run's data.
        label_column: Of a table; None: as in the run's data.
        suffix: Of the images, if a table leaves it out; None: as in the run's data.
        class_level: Level of the folder that is the label, counted from `path`; None: as in the run's data.
        pattern: Whose first group is the label in a path; None: as in the run's data.
        any_suffix: Whether files without the suffix of an image count, too; None: as in the run's data.
        allow_broken: Largest fraction of the images that may be undecodable; None: as in the run.
    """

    path: Path
    root: Path | None = None
    path_column: str | None = None
    label_column: str | None = None
    suffix: str | None = None
    class_level: int | None = None
    pattern: str | None = None
    any_suffix: bool | None = None
    allow_broken: float | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class CalibrationImages:
    """Images to calibrate on, and what was found about them.

    Attributes:
        set: Those that can be used.
        summary: What was read, in one line.
        unreadable: Row -> why it cannot be decoded; these are left out.
        warnings: About the images.
    """

    set: CalibrationSet
    summary: str
    unreadable: dict[Row, str]
    warnings: tuple[str, ...]


def images_of_recipe(recipe: Recipe) -> LabelledImages | None:
    """The `calibration` of a recipe, which is read as its other images: a table may have the same root."""
    if not recipe.abstention.calibration:
        return None
    path = Path(recipe.abstention.calibration)
    return LabelledImages(path=path, root=Path(recipe.data.root) if recipe.data.root and is_table(path) else None)


def read_labelled(catalog: Catalog, images: LabelledImages, recipe: Recipe) -> Catalog:
    """Read images to calibrate on, as the test images of a catalog; raises CatalogError, as `read_test` does."""
    if images.root is not None and not is_table(images.path):
        raise CatalogError(f"{images.path}: `data_root` is for the paths in a table, and this is none; leave it out.")
    options = other_read_options(recipe, root=images.root, overrides=reading_overrides(images))
    return read_test(catalog, images.path, options, purpose="calibration")


def load_calibration_set(
    images: LabelledImages, catalog: Catalog, recipe: Recipe, pixels: PixelSpec, environment: Environment
) -> CalibrationImages:
    """Read and decode the images to calibrate on, and show what was found about them.

    Copies of training and validation images are left out: those chose the weights and the epoch.

    Args:
        images: Which ones.
        catalog: Of the run; the hashes of its training and validation images are known.
        recipe: Of the run.
        pixels: How the model sees an image.
        environment: Where decoded images are kept.

    Raises:
        BrokenImages: Too many of them cannot be decoded.
        CatalogError: They cannot be read, one of them was used in training or has a label that the model does not
            have, or all of them are copies of images that were used in training.
        CacheError: The cache cannot be written.
    """
    catalog = read_labelled(catalog, images, recipe)
    rows = catalog.split("test")
    decoded, source, unreadable = hash_and_decode(catalog, rows, pixels, decoding=environment.decoding)
    allow_broken = recipe.allow_broken if images.allow_broken is None else images.allow_broken
    require_readable(len(rows), unreadable, allow_broken=allow_broken)
    used = {row.sha256 for row in catalog.rows if row.split != "test"}
    kept = [position for position, row in enumerate(decoded) if row.sha256 not in used]
    if not kept:
        raise CatalogError(
            f"{images.path}: all of its {len(decoded):,} images are byte for byte among the training or validation "
            "images; calibration needs images that chose nothing."
        )
    usable = [decoded[position] for position in kept]
    found = CalibrationImages(
        set=CalibrationSet(images=source.select(kept), targets=catalog.targets(usable), independent=True),
        summary=_summary(catalog, usable),
        unreadable=unreadable,
        warnings=(
            *catalog.remarks,
            *_left_out(unreadable),
            *_copies([row for row in decoded if row.sha256 in used]),
            *_missing_classes(catalog, usable),
        ),
    )
    environment.progress.info(f"to calibrate on: {found.summary}")
    for warning in found.warnings:
        environment.progress.warn(warning)
    return found


def _summary(catalog: Catalog, rows: list[Row]) -> str:
    labels = {label for row in rows for label in row.labels}
    return summary_line(
        [replace(row, split="test") for row in rows],
        [label for label in catalog.classes if label in labels],
        source=catalog.source,
        labelled_by=catalog.labelled_by,
        drawn=False,
    )


def _left_out(unreadable: Mapping[Row, str]) -> Iterator[str]:
    if unreadable:
        shown = [f"{row.path}: {reason.rstrip('.')}" for row, reason in unreadable.items()]
        yield f"{counted(len(unreadable), 'image')} to calibrate on cannot be decoded, left out: {first_few(shown)}."


def _copies(copies: list[Row]) -> Iterator[str]:
    if copies:
        yield (
            f"{counted(len(copies), 'image')} to calibrate on, byte for byte also among the training or validation "
            f"images, left out: {first_few([row.path for row in copies])}."
        )


def _missing_classes(catalog: Catalog, rows: list[Row]) -> Iterator[str]:
    labels = {label for row in rows for label in row.labels}
    missing = [label for label in catalog.classes if label not in labels]
    if missing:
        yield (
            f"{counted(len(missing), 'class', 'classes')} of {len(catalog.classes):,} {have(len(missing))} no image to "
            f"calibrate on ({first_few(missing)}): what is promised is not about them."
        )
