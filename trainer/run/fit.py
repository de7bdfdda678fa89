"""Fit and resume: from the check of the images to RUN/bundle and its report."""

from __future__ import annotations

import dataclasses
import platform
import shutil
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from service.bundle import Bundle
from trainer.catalog import Row
from trainer.data.prepare import Prepared
from trainer.diagnosis import Finding, diagnose_run
from trainer.errors import RunError
from trainer.export import Exportable, export_bundle
from trainer.model import Backbone
from trainer.model.backbones import PRETRAINED, RANDOM
from trainer.predictions import write_predictions
from trainer.recipe import Recipe
from trainer.run.environment import Environment
from trainer.run.folder import (
    create,
    held,
    own_catalog,
    read_unreadable,
    recipe_of,
    require_outside,
    require_unchanged,
    write_prepared,
)
from trainer.run.inputs import backbone_of, backbone_of_run, catalog_of, prepared_for
from trainer.run.lr_find import plot_lr_find
from trainer.run.report import write_report
from trainer.training.loop import fit, require_training
from trainer.training.lr_find.result import LR_FIND
from trainer.training.result import FitResult
from trainer.training.tensorboard import TensorBoard, require_tensorboard


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """What a fit gave; `unreadable` images (row -> reason) were left out."""

    fitted: FitResult
    findings: tuple[Finding, ...]
    bundle: Bundle
    unreadable: dict[Row, str]
    warnings: tuple[str, ...]


def fit_run(recipe: Recipe, run: Path, environment: Environment) -> Outcome:
    """The whole job, from the check of the images to RUN/bundle.

    Raises FileExistsError where `run` exists, RunError where it would lie among the images, and whatever the rooms it
    walks through raise, each with a clear message.
    """
    require_outside(run, recipe)
    catalog = catalog_of(recipe)
    data = Path(recipe.data.path)
    recipe = dataclasses.replace(
        recipe,
        name=recipe.name or (data.name if data.is_dir() else data.stem),
        weights=recipe.weights if recipe.weights in (PRETRAINED, RANDOM) else str(Path(recipe.weights).resolve()),
        data=dataclasses.replace(recipe.data, base=str(catalog.root), drawn=catalog.drawn is not None),
    )
    backbone = backbone_of(recipe)
    require_training(recipe, backbone)
    if recipe.tensorboard:
        require_tensorboard()
    create(run, recipe)
    with held(run):
        try:
            prepared = prepared_for(catalog, backbone, recipe, environment)
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
        for left in run.glob(".*.partial"):  # of what was being written
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        backbone = backbone_of_run(recipe, run)
        if (run / "catalog.csv").exists():
            catalog = own_catalog(run, recipe, root)
            prepared = prepared_for(catalog, backbone, recipe, environment)
            require_unchanged(run, catalog.rows, prepared.catalog.rows)
            prepared = dataclasses.replace(prepared, unreadable=read_unreadable(run, recipe))
        else:
            prepared = prepared_for(catalog_of(recipe), backbone, recipe, environment)
            write_prepared(run, prepared)
        return _finish(run, recipe, backbone, prepared, environment)


def follow_run(run: Path, environment: Environment, *, root: Path | None) -> None:
    """Train beside the main process, which is in `fit_run` or `resume_run`, until that one is done.

    root  where the images are now, if they were moved

    RUN and the images must be where the main process has them; the folder of decoded images need not. Raises RunError
    or CatalogError where they are not there, ProcessLost where the main process ended early.
    """
    environment.processes.barrier()  # for RUN/recipe.toml and RUN/catalog.csv
    if not (run / "catalog.csv").exists():
        raise RunError(f"{run} of the main process is not on {platform.node()}; put it where every machine sees it")
    recipe = recipe_of(run)
    backbone = backbone_of_run(recipe, run)
    catalog = own_catalog(run, recipe, root)
    prepared = prepared_for(catalog, backbone, recipe, environment, hashed=True)
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
    environment.processes.barrier()  # for the bundle


def _finish(run: Path, recipe: Recipe, backbone: Backbone, prepared: Prepared, environment: Environment) -> Outcome:
    """Train, or go on training, and export."""
    environment.processes.barrier()
    unreadable, progress = prepared.unreadable, environment.progress
    for warning in prepared.catalog.warnings:
        progress.warn(f"{warning}")
    if unreadable:
        progress.warn(f"{len(unreadable)} files cannot be decoded and are left out: {run / 'unreadable.csv'}")
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
        plot_lr_find(run)
    write_predictions(
        run / "predictions.csv",
        prepared.catalog,
        fitted.calibration.activate(fitted.logits),
        thresholds=fitted.calibration.thresholds,
    )
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
        head_trained="head" in fitted.stage_seconds,
    )
    staged = run / ".bundle.partial"
    try:
        bundle = export_bundle(trained, staged, version="1", threads=environment.threads, progress=progress)
        progress.start("report", 1)
        write_report(run, prepared.catalog, recipe, bundle, unreadable_count=len(unreadable))
        staged.rename(run / "bundle")  # last of all: where it is, nothing is left to be done
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    environment.processes.barrier()
    return Outcome(
        fitted=fitted, findings=findings, bundle=bundle, unreadable=unreadable, warnings=prepared.catalog.warnings
    )
