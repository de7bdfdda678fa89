"""The training report as one HTML page: data in, text out."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import jinja2
import numpy as np
import numpy.typing as npt

from service.bundle import FP32, Bundle
from service.predictor import Predictor
from service.ui import base_css
from trainer.catalog import Catalog
from trainer.predictions import PredictionRow
from trainer.recipe import Recipe, recipe_to_toml
from trainer.report import formatting
from trainer.report.calibration import summarize_calibration
from trainer.report.class_charts import draw_class_counts, draw_learning_curve
from trainer.report.evidence import facts_of
from trainer.report.gallery import TopLoss, draw_augmented_examples, draw_top_losses
from trainer.report.pair_examples import draw_pairs
from trainer.report.summary import changed_settings, summarize_classes, summarize_dataset, summarize_metrics
from trainer.report.training_charts import draw_history, draw_lr_find
from trainer.training.history import TrainingHistory
from trainer.training.lr_find.result import LRFindResult, Stage

_MAX_TOP_LOSSES = 16
_MAX_UNSURE = 8
_PAIRS_WITH_IMAGES = 8
_EXAMPLES = 12


@dataclass(frozen=True, kw_only=True, eq=False)
class ReportData:
    """Everything that the page shows.

    Attributes:
        catalog: Catalog of the run; some of its images are read again.
        recipe: Recipe of the run.
        bundle: Exported model; it predicts the images of the top losses again.
        history: Metrics of every epoch and step.
        predictions: Of all validation images, the highest loss first.
        lr_find: Results of the learning rate finder by stage; empty if it did not run.
        findings: Findings of the diagnosis, each with `name`, `confidence`, `summary`, `evidence` and `try`; None if
            the run was not diagnosed.
        unreadable_count: Number of images that were left out because they could not be decoded.
        predictions_name: Name of the file in which a reader of the page finds all predictions.
        serve_command: Shell command that serves the bundle.
        collecting: What more photos would bring: `curve`, `advice` and `remark`, see `Collecting.to_json`; None if that
            is not known.
        class_vectors: float32 [K, C], which say which classes are similar; None if that is not known.
    """

    catalog: Catalog
    recipe: Recipe
    bundle: Bundle
    history: TrainingHistory
    predictions: Sequence[PredictionRow]
    lr_find: Mapping[Stage, LRFindResult]
    findings: Sequence[Mapping[str, Any]] | None
    unreadable_count: int
    predictions_name: str
    serve_command: str
    collecting: Mapping[str, Any] | None = None
    class_vectors: npt.NDArray[np.float32] | None = None


def render_report(data: ReportData) -> str:
    """Render the page; the same data give the same text.

    Raises:
        CatalogError: An image has changed since the run started.
        BundleRefused: The bundle fails its own check.
        OSError: An image cannot be read.
    """
    catalog, recipe, bundle = data.catalog, data.recipe, data.bundle
    predictor = Predictor(bundle)
    wrong, right = ([row for row in data.predictions if row.correct == correct] for correct in (False, True))
    classes = summarize_classes(catalog, data.predictions, vectors=data.class_vectors)
    script = (resources.files("trainer.report") / "page.js").read_text("utf-8")
    return template("page.html.jinja").render(
        **summary_values(data),
        base_css=base_css(),
        digest=bundle.digest,
        spec=bundle.spec,
        photos=_draw_photos(data, predictor),
        top_losses=draw_top_losses(wrong[:_MAX_TOP_LOSSES], catalog, predictor),
        unsure=draw_top_losses(right[:_MAX_UNSURE], catalog, predictor),
        classes=classes,
        counts_chart=draw_class_counts(classes.counts),
        pair_examples=draw_pairs(classes.pairs[:_PAIRS_WITH_IMAGES], data.predictions, catalog, bundle.spec.pixels),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        calibration=summarize_calibration(catalog.task, bundle.metrics_of(FP32), bundle.spec.models[FP32]),
        examples=draw_augmented_examples(catalog, recipe, bundle.spec.pixels, count=_EXAMPLES, rows_each=2),
        collecting=data.collecting,
        collecting_charts=draw_learning_curve(data.collecting["curve"]) if data.collecting else (),
        not_shown=list(_augmentation_not_shown(recipe)),
        changed_settings=changed_settings(recipe),
        recipe_toml=recipe_to_toml(recipe),
        predictions_name=data.predictions_name,
        serve_command=data.serve_command,
    )


def summary_values(data: ReportData) -> dict[str, Any]:
    """What the first sections of the page show: the headline, the diagnosis and the charts. Reads no image."""
    catalog, bundle = data.catalog, data.bundle
    return {
        "manifest": bundle.manifest,
        "model_bytes": bundle.manifest.files["model.onnx"].size_bytes,
        "metrics": summarize_metrics(catalog.task, bundle.metrics_of(FP32), data.predictions),
        "findings": data.findings,
        "history": data.history,
        "charts": (*draw_history(data.history, task=catalog.task), *draw_lr_find(data.lr_find)),
        "dataset": summarize_dataset(
            catalog, unreadable_count=data.unreadable_count, random_split=data.recipe.data.drawn
        ),
    }


def _draw_photos(data: ReportData, predictor: Predictor) -> dict[str, tuple[TopLoss, ...]]:
    """Name of a finding -> the photos that it is about."""
    predictions = {prediction.path: prediction for prediction in data.predictions}
    return {
        finding["name"]: draw_top_losses(
            [predictions[path] for path in finding["evidence"].get("photos", []) if path in predictions],
            data.catalog,
            predictor,
        )
        for finding in data.findings or ()
    }


def template(name: str) -> jinja2.Template:
    """A template of the report, with its filters."""
    return _environment().get_template(name)


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("trainer.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "compact": formatting.compact,
        "facts": facts_of,
        "duration": formatting.duration,
        "humanize": formatting.humanize,
        "percent": formatting.percent,
    }
    return environment


def _augmentation_not_shown(recipe: Recipe) -> Iterator[str]:
    """Sentences about what fine-tuning does to images and the examples do not show."""
    if recipe.finetune.mixup or recipe.finetune.cutmix:
        yield "Fine-tuning also mixes images with each other, which is not shown."
    if recipe.finetune.sizes or recipe.finetune.crop_scale != 1:
        yield "The views have the input size of the model. Fine-tuning used other sizes, too."
