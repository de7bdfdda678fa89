"""A finished run's bundle, judged by images that it has not seen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from service.bundle import read_bundle
from service.predictor import Predictor
from trainer.catalog import Catalog, Row, hash_files, read_test, require_readable
from trainer.export.measured import predict_files
from trainer.fitting import Progress
from trainer.fitting.measuring.grouping import group_accuracy
from trainer.fitting.measuring.metrics import measure, wilson_interval
from trainer.insight import write_predictions
from trainer.run.folder import RunError, own_catalog, recipe_of, require_parts, require_room


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Which images a bundle is judged by, and where that is written down.

    data         a folder or CSV; None: the images that the run set aside for testing
    root         folder that the paths of the CSV start from, or without `data` those of the run
    predictions  file for a line an image, the worst mistakes first; None: not written
    """

    data: Path | None = None
    root: Path | None = None
    path_column: str = "path"
    label_column: str = "label"
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


def evaluate_run(run: Path, asked: Asked, *, threads: int, progress: Progress) -> Evaluation:
    """Measure RUN/bundle on test images, through the code that serves it.

    With `data` the images that the run was trained on need not be there any more.

    Raises RunError where the run is not finished or has no test images, CatalogError where the images cannot be used or
    were there in training, BundleRefused where the bundle is damaged, FileExistsError where `predictions` would
    overwrite something.
    """
    if asked.predictions is not None:
        require_room(asked.predictions.parent, asked.predictions.name)
    catalog = _catalog_of(run, asked)
    bundle = read_bundle(run / "bundle")
    predictor = Predictor(bundle)
    catalog = _hashed(catalog, threads=threads, progress=progress)
    rows = catalog.side("test")
    files = [catalog.file_of(row) for row in rows]
    probabilities, refused = predict_files(predictor, files, threads=threads, progress=progress)
    unreadable = {rows[position]: reason for position, reason in refused.items()}
    require_readable(len(rows), unreadable)
    catalog = catalog.without(unreadable)
    targets = catalog.targets(catalog.side("test"))
    thresholds = predictor.spec.thresholds
    figures = measure(probabilities, targets, task=catalog.task, thresholds=thresholds)
    if catalog.groups:
        figures["group_accuracy"] = group_accuracy(probabilities, targets, catalog.class_groups)
    if asked.predictions is not None:
        asked.predictions.parent.mkdir(parents=True, exist_ok=True)
        write_predictions(asked.predictions, catalog, probabilities, thresholds=thresholds, side="test")
    return Evaluation(
        digest=bundle.digest,
        images=len(targets),
        figures=figures,
        interval=wilson_interval(figures["accuracy"], len(targets)) if "accuracy" in figures else None,
        unreadable=unreadable,
        warnings=(*catalog.remarks, *catalog.leaks),
    )


def _catalog_of(run: Path, asked: Asked) -> Catalog:
    """The run's catalog with the images that it shall be judged by as its test images."""
    recipe = recipe_of(run)
    require_parts(run, "catalog.csv", "bundle")
    if asked.data is not None:
        return read_test(
            own_catalog(run, recipe, None, present=False),
            asked.data,
            root=asked.root,
            path_column=asked.path_column,
            label_column=asked.label_column,
        )
    catalog = own_catalog(run, recipe, asked.root)
    if not catalog.side("test"):
        raise RunError(f"{run} set no images aside for testing; name some: a folder or a CSV after {run}")
    return catalog


def _hashed(catalog: Catalog, *, threads: int, progress: Progress) -> Catalog:
    """The catalog with the hashes of its test images, by which those are known that it was trained on."""
    rows = catalog.side("test")
    progress.start("hash", len(rows))
    hashes = hash_files([catalog.file_of(row) for row in rows], threads=threads, on_progress=progress.advance)
    hashed = [replace(row, sha256=digest) for row, digest in zip(rows, hashes, strict=True)]
    return replace(catalog, rows=(*(row for row in catalog.rows if row.side != "test"), *hashed))
