"""Gathers everything that is known of a finished run and writes it as one page."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import jinja2

from service.bundle import Bundle
from service.predictor import Predictor
from trainer.atomic import atomic_write_text
from trainer.catalog import Catalog
from trainer.predictions import read_predictions
from trainer.recipe import Recipe, recipe_to_toml, to_plain
from trainer.report import wording
from trainer.report.curves import draw_curves
from trainer.report.examples import draw_examples
from trainer.report.headline import find_headline
from trainer.report.lr_find_charts import draw_sweeps
from trainer.report.mistakes import look_at_mistakes
from trainer.report.tables import make_tables
from trainer.training.history import read_history

NAME = "report.html"


def write_report(run: Path, catalog: Catalog, recipe: Recipe, bundle: Bundle, *, unreadable_count: int) -> Path:
    """Write RUN/report.html, in place of the one that may be there; whole or not at all.

    run      holds history.jsonl and predictions.csv; lr_find.json and diagnosis.json where there were such
    catalog  the run's own: its images are looked at again
    bundle   the run's own

    The same run gives the same page. Raises CatalogError where an image is another than the run saw, BundleRefused
    where the bundle does not answer as it should, OSError where a file cannot be read or written.
    """
    answers = read_predictions(run / "predictions.csv", label_delimiter=catalog.label_delimiter)
    learning = read_history(run / "history.jsonl")
    page = (
        _environment()
        .get_template("page.html.jinja")
        .render(
            serve=shlex.join(["python", "-m", "service", "serve", str(run / "bundle")]),
            manifest=bundle.manifest,
            digest=bundle.digest,
            spec=bundle.spec,
            model_bytes=bundle.manifest.files["model.onnx"].size_bytes,
            headline=find_headline(catalog.task, bundle.metrics, answers),
            learning=learning,
            curves=draw_curves(learning, task=catalog.task),
            sweeps=draw_sweeps(run / "lr_find.json"),
            findings=_findings(run / "diagnosis.json"),
            mistakes=look_at_mistakes(answers, catalog, Predictor(bundle)),
            mistake_count=sum(answer.predicted != answer.labels for answer in answers),
            tables=make_tables(catalog, answers),
            examples=draw_examples(catalog, recipe, bundle.spec.pixels),
            unshown=_unshown(recipe),
            data=_data(catalog, recipe, unreadable_count),
            recipe=recipe_to_toml(recipe),
            changed=_changed(to_plain(recipe), to_plain(Recipe())),
        )
    )
    target = run / NAME
    with atomic_write_text(target) as file:
        file.write(page)
    return target


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("trainer.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": wording.percent,
        "duration": wording.duration,
        "words": wording.words,
        "fact": wording.fact,
    }
    return environment


def _findings(diagnosis: Path) -> list[dict[str, Any]] | None:
    """None where the run was not diagnosed."""
    if not diagnosis.exists():
        return None
    findings: list[dict[str, Any]] = json.loads(diagnosis.read_text(encoding="utf-8"))["findings"]
    return findings


def _unshown(recipe: Recipe) -> Iterator[str]:
    """What the examples leave out of what the network sees."""
    if recipe.finetune.mixup or recipe.finetune.cutmix:
        yield "In the second stage each is then mixed with another image, which is not shown."
    if recipe.finetune.sizes or recipe.finetune.crop_scale != 1:
        yield "They have the size of the model; the second stage used others."


def _data(catalog: Catalog, recipe: Recipe, unreadable_count: int) -> dict[str, Any]:
    trained = Counter(label for row in catalog.split("train") for label in row.labels)
    counts = sorted(trained.values())
    return {
        "task": catalog.task,
        "classes": catalog.classes,
        "train": len(catalog.split("train")),
        "valid": len(catalog.split("valid")),
        "test": len(catalog.split("test")),
        "each": (counts[0], median(counts), counts[-1]),
        "unreadable": unreadable_count,
        "drawn": recipe.data.drawn,
        "warnings": catalog.warnings,
    }


def _changed(asked: Mapping[str, Any], defaults: Mapping[str, Any], prefix: str = "") -> dict[str, tuple[Any, Any]]:
    """Each key -> (value, default) of what is not as it is by default; where the images were looked for is left out."""
    changed: dict[str, tuple[Any, Any]] = {}
    for key, value in asked.items():
        if isinstance(value, Mapping):
            changed |= _changed(value, defaults[key], f"{prefix}{key}.") if key != "data" else {}
        elif value != defaults[key]:
            changed[prefix + key] = (value, defaults[key])
    return changed
