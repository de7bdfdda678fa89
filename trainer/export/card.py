"""card.md: what a bundle's model was trained on, how, how good it is, and what it must not be used for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import jinja2

import service
from service.bundle import FP32, INT8, Spec
from trainer.export.exportable import Exportable
from trainer.training.metrics import wilson_interval

_MARKUP = re.compile(r"([\\\x60*_{}\[\]<>#|~&!])")  # of Markdown, and of HTML in it


def render_card(trained: Exportable, *, version: str, created: str, spec: Spec, metrics: Mapping[str, Any]) -> str:
    """Write the model card.

    A bundle is shared, so the card has no path of the machine that it was made on.

    Args:
        trained: The classifier and what it was trained on.
        version: Version of the bundle.
        created: ISO 8601 time.
        spec: The spec of the bundle.
        metrics: Content of metrics.json; its models are without `validation` if there are no validation images.

    Returns:
        Markdown.
    """
    catalog, recipe = trained.catalog, trained.recipe
    valid_count = len(catalog.split("valid"))
    models = metrics["models"]
    found = {name: dict(models[name].get("validation", {})) for name in models}
    measured = {name: value for name, value in found[FP32].items() if name != "images"}
    return _template("card.md.jinja").render(
        name=recipe.name,
        version=version,
        created=created,
        fieldguide_version=service.__version__,
        task=catalog.task,
        classes=catalog.classes,
        coarse_labels=catalog.coarse_labels,
        train_count=len(catalog.split("train")),
        valid_count=valid_count,
        unreadable_count=trained.unreadable_count,
        drawn=recipe.data.drawn,
        backbone=recipe.backbone,
        size=trained.pixels.size,
        head_epochs=recipe.head.epochs if trained.head_trained else 0,
        finetune_epochs=recipe.finetune.epochs,
        patience=recipe.finetune.patience,
        seed=recipe.seed,
        metrics=measured,
        int8_metrics=found.get(INT8, {}),
        calibrations=_calibrations(models),
        calibration_images=_own_images(trained),
        limits={name: {key: models[name].get(key) for key in ("ood", "abstain", "set")} for name in models},
        confidence=recipe.abstention.confidence,
        temperature=spec.models[FP32].temperature,
        limits_of_use=spec.limits_of_use,
        accuracy_interval=wilson_interval(measured["accuracy"], valid_count) if "accuracy" in measured else None,
    )


def render_import_card(
    spec: Spec, *, name: str, version: str, created: str, source: str, sha256: str, metrics: Mapping[str, Any]
) -> str:
    """Write the card of a model that another program trained.

    Args:
        spec: The spec of the bundle.
        name: Of the bundle.
        version: Of the bundle.
        created: ISO 8601 time.
        source: What was imported, in a few words.
        sha256: Of the imported file.
        metrics: Content of metrics.json; its model is without `validation` if no images were given.

    Returns:
        Markdown.
    """
    models = metrics["models"]
    measured = models[FP32].get("validation", {})
    return _template("import_card.md.jinja").render(
        name=name,
        version=version,
        created=created,
        fieldguide_version=service.__version__,
        task=spec.task,
        classes=spec.classes,
        size=spec.pixels.size,
        source=source,
        sha256=sha256,
        image_count=measured.get("images"),
        metrics={metric: value for metric, value in measured.items() if metric != "images"},
        calibrations=_calibrations(models),
        calibration_images=0,
        temperature=spec.models[FP32].temperature,
        limits_of_use=spec.limits_of_use,
    )


def _calibrations(models: Mapping[str, Any]) -> dict[str, Any]:
    """Model file -> how far its probabilities can be trusted, for those of which that is known; model.onnx first."""
    return {name: models[name]["calibration"] for name in (FP32, INT8) if "calibration" in models.get(name, {})}


def _own_images(trained: Exportable) -> int:
    """How many images it was calibrated on that chose nothing else; 0 if those are the validation images."""
    return len(trained.own_calibration_set.targets) if trained.own_calibration_set else 0


def _template(file: str) -> jinja2.Template:
    environment = jinja2.Environment(  # noqa: S701  (Markdown, not HTML)
        loader=jinja2.PackageLoader("trainer.export", "."), undefined=jinja2.StrictUndefined, keep_trailing_newline=True
    )
    environment.filters["text"] = _as_text
    environment.filters["sentence"] = lambda text: text[:1].upper() + text[1:]
    return environment.get_template(file)


def _as_text(name: str) -> str:
    """Escape a name, so that Markdown shows it as it is."""
    return _MARKUP.sub(r"\\\1", name)
