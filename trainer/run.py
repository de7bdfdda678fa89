"""The jobs that the verbs ask for, each a walk through the rooms: fit, resume, export, find rates, report."""

from __future__ import annotations

import dataclasses
import platform
import shutil
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch

from service.bundle import Bundle, read_bundle
from trainer.catalog import Catalog, read_catalog
from trainer.export import Exportable, export_bundle
from trainer.fitting import ALONE, BEST, LAST, Fitted, Prepared, Processes, Progress, Recipe, fit, prepare
from trainer.fitting.fit import require_training
from trainer.fitting.measuring.metrics import choose_thresholds
from trainer.fitting.prepare import prepare_validation
from trainer.fitting.rate_search.found_rate import LR_FIND, FoundRate, Stage, read_found, write_found
from trainer.fitting.rate_search.stage_sweeps import sweep_stages
from trainer.fitting.records.checkpoint import load_facts, load_weights
from trainer.fitting.records.tensorboard import TensorBoard, require_tensorboard
from trainer.insight import write_predictions
from trainer.insight.diagnosis import Finding, diagnose_run
from trainer.insight.report import write_report
from trainer.model import Backbone, Classifier, load_backbone
from trainer.model.backbones import RANDOM
from trainer.run_folder import (
    RunError,
    create,
    held,
    own_catalog,
    read_unreadable,
    recipe_of,
    require_outside,
    require_parts,
    require_room,
    require_unchanged,
    write_prepared,
)

_PLOT = "lr_find.png"


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Where a run computes and keeps its decoded images; it does not change what comes of it, rounding aside.

    threads    for decoding and measuring
    cache      folder of decoded images, shared by all runs
    processes  those that train together; the main one alone writes and speaks
    """

    device: torch.device
    threads: int
    cache: Path
    progress: Progress
    processes: Processes = ALONE


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """What a fit gave; `unreadable` files (path -> reason) were left out."""

    fitted: Fitted
    findings: tuple[Finding, ...]
    bundle: Bundle
    unreadable: dict[str, str]
    warnings: tuple[str, ...]


def fit_run(recipe: Recipe, run: Path, environment: Environment) -> Outcome:
    """The whole job, from the check of the images to RUN/bundle.

    Raises FileExistsError where `run` exists, RunError where it would lie among the images, and whatever the rooms it
    walks through raise, each with a clear message.
    """
    require_outside(run, recipe)
    catalog = _catalog(recipe)
    data = Path(recipe.data.path)
    recipe = dataclasses.replace(
        recipe,
        name=recipe.name or (data.name if data.is_dir() else data.stem),
        data=dataclasses.replace(recipe.data, base=str(catalog.root), drawn=catalog.drawn is not None),
    )
    backbone = _backbone(recipe)
    require_training(recipe, backbone)
    if recipe.tensorboard:
        require_tensorboard()
    create(run, recipe)
    with held(run):
        try:
            prepared = _prepared(catalog, backbone, recipe, environment)
        except Exception:  # the same command shall work once the images are mended
            (run / "recipe.toml").unlink()
            run.rmdir()
            raise
        write_prepared(run, prepared)
        return _finish(run, recipe, backbone, prepared, environment)


def resume_run(run: Path, environment: Environment, *, root: Path | None) -> Outcome:
    """Go on with a run that was stopped, whenever that was.

    root  where the images are now, if they were moved

    Raises RunError where there is nothing to go on with, another process is at it, or the images have changed.
    """
    recipe = recipe_of(run)
    with held(run):
        if (run / "bundle").exists():
            raise RunError(f"{run} is finished: its bundle is {run / 'bundle'}")
        for left in run.glob(".*.partial"):  # of a bundle that was being written
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        backbone = _backbone(recipe)
        if (run / "catalog.csv").exists():
            catalog = own_catalog(run, recipe, root)
            prepared = _prepared(catalog, backbone, recipe, environment)
            require_unchanged(run, catalog.rows, prepared.catalog.rows)
        else:
            prepared = _prepared(_catalog(recipe), backbone, recipe, environment)
            write_prepared(run, prepared)
        return _finish(run, recipe, backbone, prepared, environment)


def follow_run(run: Path, environment: Environment, *, root: Path | None) -> None:
    """Train beside the main process, which is in `fit_run` or `resume_run`, until that one is done.

    root  where the images are now, if they were moved

    RUN and the images must be where the main process has them; the folder of decoded images need not. Raises RunError
    or CatalogError where they are not there, ProcessLost where the main process ended early.
    """
    environment.processes.wait()  # for RUN/recipe.toml and RUN/catalog.csv
    if not (run / "catalog.csv").exists():
        raise RunError(f"{run} of the main process is not on {platform.node()}; put it where every machine sees it")
    recipe = recipe_of(run)
    backbone = _backbone(recipe)
    catalog = own_catalog(run, recipe, root)
    prepared = _prepared(catalog, backbone, recipe, environment, hashed=True)
    require_unchanged(run, catalog.rows, prepared.catalog.rows)
    fit(
        backbone,
        prepared.data,
        recipe,
        run=run,
        device=environment.device,
        progress=environment.progress,
        processes=environment.processes,
    )
    environment.processes.wait()  # for the bundle


def export_run(
    run: Path, target: Path, environment: Environment, *, root: Path | None, name: str, version: str, golden: str
) -> Bundle:
    """Write a bundle from the best weights of a run.

    root          where the images are now, if they were moved
    name, golden  empty: those of the run

    Raises RunError where the run has no weights or its validation images have changed, CatalogError where the images
    are not there any more.
    """
    recipe = recipe_of(run)
    require_parts(run, "catalog.csv", BEST)
    catalog = own_catalog(run, recipe, root)
    backbone = load_backbone(
        recipe.backbone, size=recipe.size or None, weights=RANDOM
    )  # the run has weights of its own
    hashed, valid = prepare_validation(
        catalog,
        pixels=backbone.pixels,
        cache=environment.cache,
        threads=environment.threads,
        progress=environment.progress,
    )
    require_unchanged(run, catalog.side("valid"), hashed)
    classifier = Classifier(backbone, class_count=len(catalog.classes), dropout=recipe.dropout)
    load_weights(classifier, run / BEST)
    trained = Exportable(
        classifier=classifier,
        pixels=backbone.pixels,
        catalog=catalog,
        valid=valid,
        recipe=dataclasses.replace(recipe, name=name or recipe.name, golden=golden or recipe.golden),
        unreadable_count=len(read_unreadable(run)),
        head_trained="head" in load_facts(run / LAST)["stages"],
    )
    return export_bundle(trained, target, version=version, threads=environment.threads, progress=environment.progress)


def find_rates(recipe: Recipe, environment: Environment, *, folder: Path | None) -> dict[Stage, FoundRate]:
    """The learning rates that a fit of this recipe would find.

    folder  where lr_find.json and lr_find.png are written; None: nowhere

    Raises FileExistsError where one of them stands there, RunError where they would lie among the images, and whatever
    the rooms it walks through raise, each with a clear message.
    """
    if folder is not None:
        require_outside(folder, recipe)
        require_room(folder, LR_FIND.name, _PLOT)
    catalog = _catalog(recipe)
    backbone = _backbone(recipe)
    require_training(recipe, backbone)
    data = _prepared(catalog, backbone, recipe, environment).data
    found = sweep_stages(backbone, data, recipe, device=environment.device, progress=environment.progress)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        write_found(folder / LR_FIND, found)
        _plot_found(folder)
    return found


def report_run(run: Path, *, root: Path | None) -> Path:
    """Write RUN/report.html again, in place of the one that is there.

    root  where the images are now, if they were moved

    Raises RunError where the run is not finished, CatalogError where its images are not there or have changed,
    BundleRefused where its bundle is damaged.
    """
    recipe = recipe_of(run)
    require_parts(run, "catalog.csv", "predictions.csv", "bundle")
    catalog, bundle = own_catalog(run, recipe, root), read_bundle(run / "bundle")
    return write_report(run, catalog, recipe, bundle, unreadable_count=len(read_unreadable(run)))


def _finish(run: Path, recipe: Recipe, backbone: Backbone, prepared: Prepared, environment: Environment) -> Outcome:
    """Train, or go on training, and export."""
    environment.processes.wait()
    unreadable, progress = read_unreadable(run), environment.progress
    for warning in prepared.catalog.warnings:
        progress.say(f"warning: {warning}")
    if unreadable:
        progress.say(f"warning: {len(unreadable)} files cannot be decoded and are left out: {run / 'unreadable.csv'}")
    with TensorBoard(run / "tensorboard") if recipe.tensorboard else nullcontext() as board:
        fitted = fit(
            backbone,
            prepared.data,
            recipe,
            run=run,
            device=environment.device,
            progress=progress,
            board=board,
            processes=environment.processes,
        )
    if (run / LR_FIND).exists():
        _plot_found(run)
    thresholds = choose_thresholds(fitted.probabilities, prepared.data.valid_targets, task=prepared.data.task)
    write_predictions(run / "predictions.csv", prepared.catalog, fitted.probabilities, thresholds=thresholds)
    findings = diagnose_run(
        run, recipe, prepared, fitted, pixels=backbone.pixels, device=environment.device, progress=progress
    )
    trained = Exportable(
        classifier=fitted.model,
        pixels=backbone.pixels,
        catalog=prepared.catalog,
        valid=prepared.data.valid,
        recipe=recipe,
        unreadable_count=len(unreadable),
        head_trained="head" in fitted.stages,
    )
    bundle = export_bundle(trained, run / "bundle", version="1", threads=environment.threads, progress=progress)
    progress.start("report", 1)
    write_report(run, prepared.catalog, recipe, bundle, unreadable_count=len(unreadable))
    environment.processes.wait()
    return Outcome(
        fitted=fitted, findings=findings, bundle=bundle, unreadable=unreadable, warnings=prepared.catalog.warnings
    )


def _plot_found(folder: Path) -> None:
    from trainer.insight.sweep_plot import draw_sweeps  # matplotlib takes a second to import

    draw_sweeps(folder / _PLOT, read_found(folder / LR_FIND))


def _backbone(recipe: Recipe) -> Backbone:
    return load_backbone(recipe.backbone, size=recipe.size or None, weights=recipe.weights, seed=recipe.seed)


def _catalog(recipe: Recipe) -> Catalog:
    data = recipe.data
    return read_catalog(
        Path(data.path),
        valid=Path(data.valid) if data.valid else None,
        root=Path(data.root) if data.root else None,
        path_column=data.path_column,
        label_column=data.label_column,
        label_delimiter=data.label_delimiter or None,
        group_column=data.group_column or None,
        valid_share=recipe.valid_share,
        seed=recipe.seed,
    )


def _prepared(
    catalog: Catalog, backbone: Backbone, recipe: Recipe, environment: Environment, *, hashed: bool = False
) -> Prepared:
    return prepare(
        catalog,
        pixels=backbone.pixels,
        seed=recipe.seed,
        cache=environment.cache,
        threads=environment.threads,
        progress=environment.progress,
        hashed=hashed,
    )
