"""A finished run's bundle, evaluated on images that it has not seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from service.bundle import read_bundle
from service.inputs import first_few, is_file
from service.predictor import Predictor
from trainer.abstention.reliability import calibration_of_bundle
from trainer.catalog import (
    Catalog,
    Row,
    broken_images,
    hash_files,
    lost_classes,
    read_test,
    require_readable,
    summary_line,
)
from trainer.errors import RunError
from trainer.export.metrics import predict_files_with_doubts
from trainer.predictions import has_doubts, measure_doubts, prediction_rows, write_rows
from trainer.progress import Progress
from trainer.recipe import Recipe
from trainer.run.folder import RunFolder, require_free
from trainer.run.inputs import other_read_options, reading_overrides
from trainer.training.metrics import compute_metrics, wilson_interval


@dataclass(frozen=True, kw_only=True)
class EvaluationOptions:
    """Which images a bundle is evaluated on, and where its predictions are written.

    Attributes:
        data: Folder or CSV; None: the images that the run set aside for testing.
        root: Folder that the paths of the CSV are relative to; without `data`, those of the run.
        path_column: Of the CSV; None: as in the run's own data.
        label_column: Of the CSV; None: as in the run's own data.
        suffix: Of the images, if the CSV leaves it out; None: as in the run's own data.
        class_level: Level of the folder that is the label, counted from `data`; None: as in the run's own data.
        pattern: Whose first group is the label in a path from `data`; None: as in the run's own data.
        any_suffix: Whether files without the suffix of an image count, too; None: as in the run's own data.
        allow_broken: Largest fraction of the images that may be undecodable; None: as in the run.
        predictions: CSV with a line for each image, the worst mistakes first; None: it is not written.
    """

    data: Path | None = None
    root: Path | None = None
    path_column: str | None = None
    label_column: str | None = None
    suffix: str | None = None
    class_level: int | None = None
    pattern: str | None = None
    any_suffix: bool | None = None
    allow_broken: float | None = None
    predictions: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The result of an evaluation.

    Attributes:
        digest: Of the bundle.
        images: Number of images that were evaluated.
        summary: What was read, in one line.
        metrics: As metrics.json of a bundle has them for the validation images.
        interval: Wilson's 95 % interval of the accuracy; None for multilabel.
        calibration: How far the probabilities can be trusted, see `calibration_of_bundle`; None with fewer than 20
            images.
        unreadable: Row -> why the service refuses it; these are not evaluated.
        warnings: About the images.
        doubts: How a bundle that may abstain did, see `measure_doubts`; empty if it always answers.
    """

    digest: str
    images: int
    summary: str
    metrics: dict[str, float]
    interval: tuple[float, float] | None
    calibration: dict[str, Any] | None
    unreadable: dict[Row, str]
    warnings: tuple[str, ...]
    doubts: dict[str, dict[str, float]] = field(default_factory=dict)


def evaluate_run(path: Path, options: EvaluationOptions, *, threads: int, progress: Progress) -> Evaluation:
    """Evaluate RUN/bundle on test images, through the code that serves it.

    The images that the run was trained on need not be there any more.

    Args:
        path: RUN.
        options: Which images.
        threads: For decoding and prediction.
        progress: Where a person sees what happens.

    Raises:
        RunError: The run is not finished, has no test images, or they have changed.
        CatalogError: The images cannot be used, or were used in training.
        BundleRefused: The bundle is damaged.
        FileExistsError: `predictions` would overwrite something.
    """
    run = RunFolder(path)
    recipe = run.read_recipe()
    run.require(run.catalog, run.bundle)
    if options.predictions is not None:
        require_free(options.predictions)
    catalog = _test_catalog(run, recipe, options)
    bundle = read_bundle(run.bundle)
    predictor = Predictor(bundle)
    known = catalog.split("test")
    summary = _summary(run, recipe, catalog, options)
    progress.info(summary)
    catalog, unreadable = _with_hashes(catalog, threads=threads, progress=progress)
    if options.data is None:
        run.require_unchanged(known, catalog.split("test"))
    rows = [row for row in catalog.split("test") if row not in unreadable]
    files = [catalog.file_of(row) for row in rows]
    probabilities, doubts, refused = predict_files_with_doubts(predictor, files, threads=threads, progress=progress)
    unreadable |= {rows[position]: reason for position, reason in refused.items()}
    allow_broken = recipe.allow_broken if options.allow_broken is None else options.allow_broken
    require_readable(len(known), unreadable, allow_broken=allow_broken)
    catalog = catalog.without(unreadable)
    targets = catalog.targets(catalog.split("test"))
    thresholds = predictor.chosen.thresholds
    metrics = compute_metrics(
        probabilities, targets, task=catalog.task, thresholds=thresholds, coarse_indices=catalog.coarse_indices
    )
    found = prediction_rows(catalog, probabilities, thresholds=thresholds, split="test")
    if has_doubts(predictor.chosen):
        found = [replace(row, doubt=doubt) for row, doubt in zip(found, doubts, strict=True)]
    if options.predictions is not None:
        options.predictions.parent.mkdir(parents=True, exist_ok=True)
        write_rows(options.predictions, found, catalog)
    return Evaluation(
        digest=bundle.digest,
        images=len(targets),
        summary=summary,
        metrics=metrics,
        interval=wilson_interval(metrics["accuracy"], len(targets)) if "accuracy" in metrics else None,
        calibration=calibration_of_bundle(probabilities, targets, task=catalog.task),
        unreadable=unreadable,
        warnings=(
            *catalog.remarks,
            *broken_images(len(known), unreadable),
            *_lost_classes(run, recipe, catalog),
            *catalog.leaks("test"),
        ),
        doubts=measure_doubts(found, predictor.chosen),
    )


def _test_catalog(run: RunFolder, recipe: Recipe, options: EvaluationOptions) -> Catalog:
    """The run's catalog, with the images to evaluate as its test images."""
    overrides = reading_overrides(options)
    if options.data is not None:
        reading = other_read_options(recipe, root=options.root, overrides=overrides)
        return read_test(run.read_catalog(recipe, None, must_exist=False), options.data, reading)
    if overrides:
        raise RunError(
            f"`{next(iter(overrides))}` is about the reading of other images; name their folder or CSV after {run}"
        )
    catalog = run.read_catalog(recipe, options.root, must_exist=False)
    rows = catalog.split("test")
    if not rows:
        raise RunError(f"{run} set no images aside for testing; name some: a folder or a CSV after {run}")
    missing = [row.path for row in rows if not is_file(catalog.file_of(row))]
    if missing:
        raise RunError(
            f"{len(missing):,} of {len(rows):,} test images are not under {catalog.root} ({first_few(missing)}); "
            "if they were moved, name their folder with `root`"
        )
    return catalog


def _summary(run: RunFolder, recipe: Recipe, catalog: Catalog, options: EvaluationOptions) -> str:
    """What is evaluated, in one line: only the test images of the catalog."""
    rows = catalog.split("test")
    labels = {label for row in rows for label in row.labels}
    return summary_line(
        rows,
        [label for label in catalog.classes if label in labels],
        source=catalog.source if options.data is not None else recipe.data.source or str(run),
        labelled_by=catalog.labelled_by if options.data is not None else recipe.data.labelled_by,
        drawn=False,
    )


def _lost_classes(run: RunFolder, recipe: Recipe, catalog: Catalog) -> Iterator[str]:
    """A warning about classes that the run left out because none of their training images can be decoded."""
    lost = lost_classes(run.read_unreadable(recipe), catalog.classes)
    if lost:
        yield (
            f"the run left out {len(lost):,} classes and their test images, because none of their training images can "
            f"be decoded: {first_few(lost)}."
        )


def _with_hashes(catalog: Catalog, *, threads: int, progress: Progress) -> tuple[Catalog, dict[Row, str]]:
    """The catalog with the hashes of its test images, to find those that it was trained on, and why some have none."""
    rows = catalog.split("test")
    progress.start("read files", len(rows), "files")
    found = hash_files([catalog.file_of(row) for row in rows], threads=threads, on_progress=progress.advance)
    hashed = [replace(row, sha256=digest) for row, digest in zip(rows, found.digests, strict=True)]
    unreadable = {hashed[position]: reason for position, reason in found.errors.items()}
    return replace(catalog, rows=(*(row for row in catalog.rows if row.split != "test"), *hashed)), unreadable
