"""The report of a run: everything that the page shows, from the files of the run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from service.bundle import Bundle, read_bundle
from trainer.atomic import atomic_write_text
from trainer.catalog import Catalog
from trainer.command_line import command_line
from trainer.diagnosis import read_findings
from trainer.predictions import read_predictions
from trainer.recipe import Recipe
from trainer.report.page import ReportData, render_report
from trainer.run.collecting import class_vectors, collect_for_run
from trainer.run.folder import RunFolder
from trainer.training.history import read_history
from trainer.training.lr_find.result import read_lr_find


def report_run(path: Path, *, root: Path | None) -> Path:
    """Write RUN/report.html again; replaces the file.

    Args:
        path: RUN.
        root: Folder of the images, if they were moved.

    Returns:
        Path of the report.

    Raises:
        RunError: The run is not finished.
        CatalogError: Its images are not there or have changed.
        BundleRefused: Its bundle is damaged.
    """
    run = RunFolder(path)
    _write_page(run, read_report_data(run, root=root))
    return run.report


def read_report_data(run: RunFolder, *, root: Path | None, must_exist: bool = True) -> ReportData:
    """Read what the report of a finished run shows; raises what `report_run` does.

    Args:
        run: The run.
        root: Folder of the images, if they were moved.
        must_exist: Whether the images must be there.
    """
    recipe = run.read_recipe()
    run.require(run.catalog, run.predictions, run.bundle)
    catalog, bundle = run.read_catalog(recipe, root, must_exist=must_exist), read_bundle(run.bundle)
    return _report_data(run, recipe, catalog, bundle, unreadable_count=len(run.read_unreadable(recipe)))


def write_report(run: RunFolder, recipe: Recipe, catalog: Catalog, bundle: Bundle, *, unreadable_count: int) -> None:
    """Write RUN/report.html; see `render_report` for errors.

    Args:
        run: Has a history and predictions, maybe found learning rates and a diagnosis.
        recipe: Of the run.
        catalog: Of the run.
        bundle: Of the run, wherever it is now; the page says that it is RUN/bundle.
        unreadable_count: Number of images that were left out because they cannot be decoded.
    """
    _write_page(run, _report_data(run, recipe, catalog, bundle, unreadable_count=unreadable_count))


def _write_page(run: RunFolder, data: ReportData) -> None:
    collecting = collect_for_run(run, data.catalog)
    page = render_report(
        replace(
            data,
            collecting=collecting.to_json(data.catalog.classes) if collecting else None,
            class_vectors=class_vectors(run, data.catalog),
        )
    )
    with atomic_write_text(run.report) as file:
        file.write(page)


def _report_data(
    run: RunFolder, recipe: Recipe, catalog: Catalog, bundle: Bundle, *, unreadable_count: int
) -> ReportData:
    return ReportData(
        catalog=catalog,
        recipe=recipe,
        bundle=bundle,
        history=read_history(run.history),
        predictions=read_predictions(run.predictions, label_delimiter=catalog.label_delimiter),
        lr_find=read_lr_find(run.lr_find),
        findings=read_findings(run.diagnosis) if run.diagnosis.exists() else None,
        unreadable_count=unreadable_count,
        predictions_name=run.predictions.name,
        serve_command=command_line("serve", run.bundle),
    )
