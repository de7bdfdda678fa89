"""RUN, the folder of one fit: everything that was asked, what happened, and what came of it.

recipe.toml       everything that was asked and every default
catalog.csv       every image, its label, side and hash
history.jsonl     a line a stage and an epoch
checkpoints/      the best weights
predictions.csv   the validation images, worst first
bundle/           what the service serves
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import torch

from service.bundle import Bundle
from trainer.catalog import Catalog, CatalogError, read_catalog
from trainer.export import Exportable, export_bundle
from trainer.export.export import GoldenKind
from trainer.fitting import BEST, Fitted, Prepared, Progress, Recipe, fit, prepare, read_recipe
from trainer.fitting.checkpoint import load_weights
from trainer.fitting.fit import require_training
from trainer.fitting.metrics import choose_thresholds
from trainer.insight import write_predictions
from trainer.model import Backbone, Classifier, load_backbone


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Where a run computes and keeps its decoded images; it does not change what comes of it, rounding aside.

    threads  for decoding and measuring
    cache    folder of decoded images, shared by all runs
    """

    device: torch.device
    threads: int
    cache: Path
    progress: Progress


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """What a fit gave; `unreadable` files (path -> reason) were left out."""

    fitted: Fitted
    bundle: Bundle
    unreadable: dict[str, str]
    warnings: tuple[str, ...]


def fit_run(
    recipe: Recipe, run: Path, environment: Environment, *, name: str, golden_kind: GoldenKind = "synthetic"
) -> Outcome:
    """The whole job, from the check of the images to RUN/bundle.

    Raises FileExistsError where `run` exists, and whatever the rooms it walks through raise, each with a clear message.
    """
    catalog = _catalog(recipe)
    recipe = dataclasses.replace(
        recipe,
        data=dataclasses.replace(recipe.data, root=str(catalog.root), drawn=catalog.drawn is not None),
    )
    backbone = load_backbone(recipe.backbone, size=recipe.size or None, weights=recipe.weights, seed=recipe.seed)
    require_training(recipe, backbone)
    _create(run)
    try:
        prepared = _prepared(catalog, backbone, environment)
    except BaseException:
        run.rmdir()  # nothing is in it yet, and the same command shall work once the images are mended
        raise
    (run / "recipe.toml").write_text(recipe.to_toml(), encoding="utf-8")
    prepared.catalog.write_csv(run / "catalog.csv")
    fitted = fit(backbone, prepared.data, recipe, run=run, device=environment.device, progress=environment.progress)
    thresholds = choose_thresholds(fitted.probabilities, prepared.data.valid_targets, task=prepared.data.task)
    write_predictions(run / "predictions.csv", prepared.catalog, fitted.probabilities, thresholds=thresholds)
    bundle = export_bundle(
        _exportable(fitted.model, backbone, prepared, recipe),
        run / "bundle",
        name=name,
        version="1",
        golden_kind=golden_kind,
        threads=environment.threads,
        progress=environment.progress,
    )
    return Outcome(
        fitted=fitted,
        bundle=bundle,
        unreadable={row.path: reason for row, reason in prepared.unreadable.items()},
        warnings=prepared.catalog.warnings,
    )


def export_run(
    run: Path, target: Path, environment: Environment, *, name: str, version: str, golden_kind: GoldenKind
) -> Bundle:
    """Write a bundle from the best weights of a run.

    Raises CatalogError where the run or its images are not there any more.
    """
    for part in ("recipe.toml", "catalog.csv", BEST):
        if not (run / part).is_file():
            raise CatalogError(f"{run}: there is no {part} in it; name the folder that `trainer fit` wrote with --out.")
    recipe = read_recipe(run / "recipe.toml", {})
    catalog = read_catalog(
        run / "catalog.csv", root=Path(recipe.data.root), label_delimiter=recipe.data.label_delimiter or None
    )
    backbone = load_backbone(recipe.backbone, size=recipe.size or None, weights=recipe.weights, seed=recipe.seed)
    prepared = _prepared(catalog, backbone, environment)
    classifier = Classifier(backbone, class_count=len(prepared.catalog.classes), dropout=recipe.dropout)
    load_weights(classifier, run / BEST)
    return export_bundle(
        _exportable(classifier, backbone, prepared, recipe),
        target,
        name=name,
        version=version,
        golden_kind=golden_kind,
        threads=environment.threads,
        progress=environment.progress,
    )


def _catalog(recipe: Recipe) -> Catalog:
    data = recipe.data
    return read_catalog(
        Path(data.path),
        valid=Path(data.valid) if data.valid else None,
        root=Path(data.root) if data.root else None,
        path_column=data.path_column,
        label_column=data.label_column,
        label_delimiter=data.label_delimiter or None,
        valid_share=recipe.valid_share,
        seed=recipe.seed,
    )


def _create(run: Path) -> None:
    run.parent.mkdir(parents=True, exist_ok=True)
    try:
        run.mkdir()
    except FileExistsError as error:
        raise FileExistsError(f"{run} exists already; nothing is overwritten: give --out another name") from error


def _prepared(catalog: Catalog, backbone: Backbone, environment: Environment) -> Prepared:
    return prepare(
        catalog,
        pixels=backbone.pixels,
        cache=environment.cache,
        threads=environment.threads,
        progress=environment.progress,
    )


def _exportable(classifier: Classifier, backbone: Backbone, prepared: Prepared, recipe: Recipe) -> Exportable:
    return Exportable(
        classifier=classifier,
        pixels=backbone.pixels,
        catalog=prepared.catalog,
        valid=prepared.data.valid,
        recipe=recipe,
        unreadable_count=len(prepared.unreadable),
    )
