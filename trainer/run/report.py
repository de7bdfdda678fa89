"""The report of a run: everything that the page shows is gathered from the run's folder."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from service.bundle import Bundle, read_bundle
from trainer.atomic import atomic_write_text
from trainer.catalog import Catalog
from trainer.predictions import read_predictions
from trainer.recipe import Recipe
from trainer.report import ReportData, render_report
from trainer.run.folder import own_catalog, read_unreadable, recipe_of, require_parts
from trainer.training.history import read_history
from trainer.training.lr_find.result import LR_FIND, read_lr_find

_REPORT = "report.html"
_PREDICTIONS = "predictions.csv"


def report_run(run: Path, *, root: Path | None) -> Path:
    """Write RUN/report.html again; the old one is replaced.

    Args:
        run: Folder of a finished run.
        root: Folder where the images are now, if they were moved.

    Returns:
        Path of the report.

    Raises:
        RunError: The run is not finished.
        CatalogError: Images of the run are missing or have changed.
        BundleRefused: The bundle is damaged.
    """
    recipe = recipe_of(run)
    require_parts(run, "catalog.csv", _PREDICTIONS, "bundle")
    catalog, bundle = own_catalog(run, recipe, root), read_bundle(run / "bundle")
    return write_report(run, catalog, recipe, bundle, unreadable_count=len(read_unreadable(run, recipe)))


def write_report(run: Path, catalog: Catalog, recipe: Recipe, bundle: Bundle, *, unreadable_count: int) -> Path:
    """Write RUN/report.html; an old one is replaced once the new one is complete. See `render_report` for errors.

    Args:
        run: Folder that has history.jsonl and predictions.csv; lr_find.json and diagnosis.json are optional.
        catalog: Catalog of the run.
        recipe: Recipe of the run.
        bundle: Bundle of the run, wherever it lies now; the page says that it is RUN/bundle.
        unreadable_count: Number of images that were left out because they could not be decoded.

    Returns:
        Path of the report.
    """
    page = render_report(
        ReportData(
            catalog=catalog,
            recipe=recipe,
            bundle=bundle,
            history=read_history(run / "history.jsonl"),
            predictions=read_predictions(run / _PREDICTIONS, label_delimiter=catalog.label_delimiter),
            lr_find=read_lr_find(run / LR_FIND),
            findings=_read_findings(run / "diagnosis.json"),
            unreadable_count=unreadable_count,
            predictions_name=_PREDICTIONS,
            serve_command=shlex.join(["python", "-m", "service", "serve", str(run / "bundle")]),
        )
    )
    with atomic_write_text(run / _REPORT) as file:
        file.write(page)
    return run / _REPORT


def _read_findings(path: Path) -> Sequence[Mapping[str, Any]] | None:
    """The findings of diagnosis.json; None if the run was not diagnosed."""
    if not path.exists():
        return None
    findings: Sequence[Mapping[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["findings"]
    return findings
