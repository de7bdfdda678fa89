"""The report of a finished run, written again."""

from __future__ import annotations

from pathlib import Path

from service.bundle import read_bundle
from trainer.report import write_report
from trainer.run.folder import own_catalog, read_unreadable, recipe_of, require_parts


def report_run(run: Path, *, root: Path | None) -> Path:
    """Write RUN/report.html again, in place of the one that is there.

    root  where the images are now, if they were moved

    Raises RunError where the run is not finished, CatalogError where its images are not there or have changed,
    BundleRefused where its bundle is damaged.
    """
    recipe = recipe_of(run)
    require_parts(run, "catalog.csv", "predictions.csv", "bundle")
    catalog, bundle = own_catalog(run, recipe, root), read_bundle(run / "bundle")
    return write_report(run, catalog, recipe, bundle, unreadable_count=len(read_unreadable(run, recipe)))
