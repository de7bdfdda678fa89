"""The report of a finished run, written again."""

from __future__ import annotations

from pathlib import Path

from service.bundle import read_bundle
from trainer.report import write_report
from trainer.run.folder import RunFolder


def report_run(path: Path, *, root: Path | None) -> Path:
    """Write RUN/report.html again; replaces the file.

    Args:
        path: RUN.
        root: Folder of the images, if they were moved.

    Raises:
        RunError: The run is not finished.
        CatalogError: Its images are not there or have changed.
        BundleRefused: Its bundle is damaged.
    """
    run = RunFolder(path)
    recipe = run.read_recipe()
    run.require(run.catalog, run.predictions, run.bundle)
    catalog, bundle = run.read_catalog(recipe, root), read_bundle(run.bundle)
    return write_report(run.path, catalog, recipe, bundle, unreadable_count=len(run.read_unreadable(recipe)))
