"""A finished run's bundle, judged by images that it has not seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from service.bundle import read_bundle
from service.predictor import Predictor
from trainer.catalog import Catalog, Columns, Row, first_few, hash_files, lost_classes, read_test, require_readable
from trainer.errors import RunError
from trainer.export.metrics import predict_files
from trainer.predictions import write_predictions
from trainer.progress import Progress
from trainer.recipe import Recipe
from trainer.run.folder import own_catalog, read_unreadable, recipe_of, require_parts, require_room, require_unchanged
from trainer.training.metrics import measure, wilson_interval


@dataclass(frozen=True, kw_only=True)
class EvaluationOptions:
    """Which images a bundle is judged by, and where that is written down.

    data         a folder or CSV; None: the images that the run set aside for testing
    root         folder that the paths of the CSV start from, or without `data` those of the run
    path_column, label_column  of the CSV; None: as in the run's own data
    predictions  file for a line an image, the worst mistakes first; None: not written
    """

    data: Path | None = None
    root: Path | None = None
    path_column: str | None = None
    label_column: str | None = None
    predictions: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What came of it.

    digest      of the bundle
    images      that were judged
    figures     as metrics.json of a bundle has them of the validation images
    interval    Wilson's 95 % interval of the accuracy; None for multilabel
    unreadable  row -> why the service refuses it; these are not judged
    """

    digest: str
    images: int
    figures: dict[str, float]
    interval: tuple[float, float] | None
    unreadable: dict[Row, str]
    warnings: tuple[str, ...]


def evaluate_run(run: Path, options: EvaluationOptions, *, threads: int, progress: Progress) -> Evaluation:
    """Measure RUN/bundle on test images, through the code that serves it.

    The images that the run was trained on need not be there any more.

    Raises RunError where the run is not finished, has no test images or they have changed, CatalogError where the
    images cannot be used or were there in training, BundleRefused where the bundle is damaged, FileExistsError where
    `predictions` would overwrite something.
    """
    recipe = recipe_of(run)
    require_parts(run, "catalog.csv", "bundle")
    if options.predictions is not None:
        require_room(options.predictions.parent, options.predictions.name)
    catalog = _catalog_of(run, recipe, options)
    bundle = read_bundle(run / "bundle")
    predictor = Predictor(bundle)
    known = catalog.split("test")
    catalog = _hashed(catalog, threads=threads, progress=progress)
    rows = catalog.split("test")
    if options.data is None:
        require_unchanged(run, known, rows)
    files = [catalog.file_of(row) for row in rows]
    probabilities, refused = predict_files(predictor, files, threads=threads, progress=progress)
    unreadable = {rows[position]: reason for position, reason in refused.items()}
    require_readable(len(rows), unreadable)
    catalog = catalog.without(unreadable)
    targets = catalog.targets(catalog.split("test"))
    thresholds = predictor.spec.thresholds
    figures = measure(
        probabilities,
        targets,
        task=catalog.task,
        thresholds=thresholds,
        coarse_indices=catalog.coarse_indices,
    )
    if options.predictions is not None:
        options.predictions.parent.mkdir(parents=True, exist_ok=True)
        write_predictions(options.predictions, catalog, probabilities, thresholds=thresholds, split="test")
    return Evaluation(
        digest=bundle.digest,
        images=len(targets),
        figures=figures,
        interval=wilson_interval(figures["accuracy"], len(targets)) if "accuracy" in figures else None,
        unreadable=unreadable,
        warnings=(*catalog.remarks, *_lost(run, recipe, catalog), *catalog.leaks("test")),
    )


def _catalog_of(run: Path, recipe: Recipe, options: EvaluationOptions) -> Catalog:
    """The run's catalog with the images that it shall be judged by as its test images."""
    if options.data is not None:
        return read_test(
            own_catalog(run, recipe, None, must_exist=False),
            options.data,
            root=options.root,
            columns=Columns(
                path=options.path_column or recipe.data.path_column,
                label=options.label_column or recipe.data.label_column,
            ),
        )
    if options.path_column or options.label_column:
        raise RunError(f"columns are those of a CSV of images to test on; name it after {run}")
    catalog = own_catalog(run, recipe, options.root, must_exist=False)
    rows = catalog.split("test")
    if not rows:
        raise RunError(f"{run} set no images aside for testing; name some: a folder or a CSV after {run}")
    missing = [row.path for row in rows if not catalog.file_of(row).is_file()]
    if missing:
        raise RunError(
            f"{len(missing):,} of {len(rows):,} test images are not under {catalog.root} ({first_few(missing)}); "
            "if they were moved, name the folder with --root"
        )
    return catalog


def _lost(run: Path, recipe: Recipe, catalog: Catalog) -> Iterator[str]:
    """Classes that the run left out, as none of their training images could be decoded."""
    lost = lost_classes(read_unreadable(run, recipe), catalog.classes)
    if lost:
        yield (
            f"the run left out {len(lost):,} classes, and their test images with them, as no training image of them "
            f"could be decoded: {first_few(lost)}."
        )


def _hashed(catalog: Catalog, *, threads: int, progress: Progress) -> Catalog:
    """The catalog with the hashes of its test images, by which those are known that it was trained on."""
    rows = catalog.split("test")
    progress.start("hash", len(rows))
    hashes = hash_files([catalog.file_of(row) for row in rows], threads=threads, on_progress=progress.advance)
    hashed = [replace(row, sha256=digest) for row, digest in zip(rows, hashes, strict=True)]
    return replace(catalog, rows=(*(row for row in catalog.rows if row.split != "test"), *hashed))
