"""Parts of the report for the output of a notebook: HTML fragments in the report's own styles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources

from service.ui import notebook_html
from trainer.report.gallery import TopLoss
from trainer.report.page import ReportData, summary_values, template
from trainer.report.training_charts import draw_lr_find
from trainer.training.lr_find.result import LRFindResult, Stage, format_lr


def run_html(data: ReportData, *, report: str) -> str:
    """The headline, the diagnosis and the charts of a run.

    Args:
        data: Of the run.
        report: Path of its report, which shows the rest.
    """
    return fragment("notebook_run.html.jinja", **summary_values(data), photos={}, report=report)


def lr_find_html(results: Mapping[Stage, LRFindResult], *, suggestion: float) -> str:
    """The charts of the learning rate finder, with the learning rate that it suggests for `fit`."""
    charts = draw_lr_find(results)
    return fragment("notebook_lr_find.html.jinja", suggestion=format_lr(suggestion), charts=charts)


def top_losses_html(images: Sequence[TopLoss]) -> str:
    """Images with their heatmaps, labels and predictions."""
    return fragment("notebook_gallery.html.jinja", top_losses=images)


def fragment(name: str, **values: object) -> str:
    """Render a template of the report, with the report's styles."""
    css = (resources.files("trainer.report") / "style.css").read_text("utf-8")
    return notebook_html(template(name).render(values), css=css)
