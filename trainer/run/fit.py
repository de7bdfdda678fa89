"""Fit and resume: from the check of the images to RUN/bundle and its report."""

from __future__ import annotations

import dataclasses
import platform
import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from service.bundle import Bundle
from trainer.catalog import Catalog, Row
from trainer.checking.quick import quick_warnings
from trainer.data import PixelSource, prepare_export
from trainer.data.prepare import Prepared
from trainer.diagnosis import Finding
from trainer.errors import BrokenImages, FitError, RunError
from trainer.export import Exportable, export_bundle
from trainer.export.int8_choice import require_judgeable
from trainer.model import Backbone
from trainer.predictions import write_predictions
from trainer.recipe import Recipe
from trainer.run.calibration_set import images_of_recipe, load_calibration_set, read_labelled
from trainer.run.decisions import copy_edits, require_readable_edits
from trainer.run.diagnose import diagnose_run
from trainer.run.environment import Environment
from trainer.run.features import write_features
from trainer.run.folder import RunFolder, default_run, name_of_images
from trainer.run.inputs import (
    complete_recipe,
    load_recipe_backbone,
    load_run_backbone,
    prepare_images,
    read_recipe_catalog,
    report_catalog,
    source_of,
)
from trainer.run.learned import learned_images
from trainer.run.lr_find import plot_lr_find
from trainer.run.report import write_report
from trainer.run.steps import steps_of_fit
from trainer.training.history import History
from trainer.training.loop import FitResult, fit
from trainer.training.phases import require_trainable
from trainer.training.tensorboard import TensorBoard, require_tensorboard


@dataclass(frozen=True, kw_only=True, eq=False)
class RunResult:
    """A finished run.

    Attributes:
        fit: The best model and how it was trained.
        findings: What stands out.
        commands: For each finding the command line that may help; empty if there is none.
        bundle: What was exported.
        unreadable: Row -> why it was left out.
        warnings: About the images.
        summary: What was read, in one line, without the images that were left out.
        decisions: How many decisions of a person about these images are remembered, from the run that they come from.
    """

    fit: FitResult
    findings: tuple[Finding, ...]
    commands: tuple[str, ...]
    bundle: Bundle
    unreadable: dict[Row, str]
    warnings: tuple[str, ...]
    summary: str
    decisions: int = 0


def choose_run(out: Path | None, images: Path | Catalog, environment: Environment) -> Path:
    """Return where a run goes: `out`, or, if it is None, what `default_run` chooses.

    Raises:
        RunError: What `default_run` chooses would be among the images.
    """
    if out is not None:
        return out
    return Path(environment.distributed.broadcast(lambda: str(default_run(images))))


def fit_run(recipe: Recipe, path: Path, environment: Environment, *, catalog: Catalog | None = None) -> RunResult:
    """Do the whole job, from the check of the images to RUN/bundle.

    Args:
        recipe: What to train, and on which images.
        path: RUN.
        environment: Where.
        catalog: The images, if they are not those of the recipe.

    Raises:
        FileExistsError: RUN exists.
        RunError: RUN would be among the images.
        TrainerError: The images, the backbone or the recipe cannot be used, or training or export failed.
    """
    run = RunFolder(path)
    if catalog is not None:
        run.require_outside(str(catalog.folder or ""))
        name = name_of_images(catalog.root) or "images"
        recipe = dataclasses.replace(recipe, data=source_of(catalog, run))
    else:
        run.require_outside(recipe.data.path, recipe.data.valid, recipe.abstention.calibration)
        require_readable_edits(recipe)
        catalog = read_recipe_catalog(recipe)
        name = name_of_images(Path(recipe.data.path))
    recipe = complete_recipe(recipe, catalog, name=name)
    if images := images_of_recipe(recipe):
        read_labelled(catalog, images, recipe)  # an error about them comes before anything is done
    backbone = load_recipe_backbone(recipe)
    require_trainable(recipe, backbone)
    if recipe.tensorboard:
        require_tensorboard()
    run.create(recipe)
    environment.progress.info(f"run: {run}")  # not before it is there: an error about the images leaves none
    with run.locked():
        try:
            prepared = _prepare_first(run, catalog, recipe, backbone, environment)
        except BrokenImages:
            raise  # the run stays, with the list of these images; the next fit may take its place
        except BaseException as error:
            # Once the images are mended, the same command must work. A catalog in memory is lost with the process.
            if isinstance(error, Exception) or recipe.data.path == str(run.catalog.resolve()):
                run.remove()
            raise
        return _train_and_export(run, recipe, backbone, prepared, environment)


def resume_run(path: Path, environment: Environment, *, root: Path | None) -> RunResult:
    """Continue a run that was stopped, whenever that was.

    Args:
        path: RUN.
        environment: Where.
        root: Folder of the images, if they were moved.

    Raises:
        RunError: There is nothing to continue, another process is working on it, or the images have changed.
    """
    run = RunFolder(path)
    recipe = run.read_recipe()
    with run.locked():
        if run.bundle.exists():
            raise RunError(f"{run} is finished: its bundle is {run.bundle}")
        run.remove_partial_files()
        backbone = load_run_backbone(recipe, run)
        if run.catalog.exists():
            catalog = run.read_catalog(recipe, root)
            environment.progress.info(run.summary(recipe, catalog))
            environment.progress.plan(steps_of_fit(recipe, backbone, catalog))
            prepared = prepare_images(catalog, backbone, recipe, environment)
            run.require_unchanged(catalog.rows, prepared.catalog.rows)
            prepared = dataclasses.replace(prepared, unreadable=run.read_unreadable(recipe))
        elif recipe.data.path == str(run.catalog.resolve()):
            raise RunError(f"{run} was stopped before its images were read; remove it, and start the fit again")
        else:
            prepared = _prepare_first(run, read_recipe_catalog(recipe), recipe, backbone, environment)
        return _train_and_export(run, recipe, backbone, prepared, environment)


def follow_run(path: Path, environment: Environment, *, root: Path | None) -> None:
    """Train beside the main process, which runs `fit_run` or `resume_run`, until that one is finished.

    RUN and the images must be where the main process has them; the folder of decoded images need not.

    Args:
        path: RUN.
        environment: Where.
        root: Folder of the images, if they were moved.

    Raises:
        RunError: RUN is not there.
        CatalogError: The images are not there.
        ProcessLost: The main process ended early.
    """
    run = RunFolder(path)
    environment.distributed.barrier()  # for RUN/recipe.toml and RUN/catalog.csv
    if not run.catalog.exists():
        raise RunError(f"{run} of the main process is not on {platform.node()}; put it where every machine sees it")
    recipe = run.read_recipe()
    backbone = load_run_backbone(recipe, run)
    catalog = run.read_catalog(recipe, root)
    prepared = prepare_images(catalog, backbone, recipe, environment, hashed=True)
    run.require_unchanged(catalog.rows, prepared.catalog.rows)
    session = environment.open_session(prepared.data, History(None))
    fit(backbone, prepared.data, recipe, session, run.training_files)
    environment.distributed.barrier()  # for the bundle


def _prepare_first(
    run: RunFolder, catalog: Catalog, recipe: Recipe, backbone: Backbone, environment: Environment
) -> Prepared:
    """Report what was read, prepare it, and write it down; if too many images are broken, these are written down."""
    report_catalog(catalog, recipe, environment.progress)
    environment.progress.plan(steps_of_fit(recipe, backbone, catalog))
    try:
        prepared = prepare_images(catalog, backbone, recipe, environment)
    except BrokenImages as error:
        run.write_unreadable(recipe, error.unreadable)
        error.hint = f"they are listed in {run.unreadable}"
        raise
    require_judgeable(recipe.int8, len(prepared.catalog.split("valid")))
    run.write_prepared(prepared)
    return prepared


def _train_and_export(
    run: RunFolder, recipe: Recipe, backbone: Backbone, prepared: Prepared, environment: Environment
) -> RunResult:
    """Train, or continue training, and export."""
    decisions = copy_edits(run, recipe)
    environment.distributed.barrier()
    unreadable, progress = prepared.unreadable, environment.progress
    warnings = (*prepared.catalog.warnings, *prepared.warnings, *_check(recipe, prepared))
    for warning in warnings:
        progress.warn(warning)
    if unreadable:
        progress.warn(f"{len(unreadable)} files cannot be decoded and are left out: {run.unreadable}")
    images = images_of_recipe(recipe)
    calibration = None
    if images is not None:
        calibration = load_calibration_set(images, prepared.catalog, recipe, backbone.pixels, environment).set
    write_features(run, recipe, backbone, prepared, environment)
    with TensorBoard(run.tensorboard) if recipe.tensorboard else nullcontext() as board:
        session = environment.open_session(prepared.data, History(run.history, board=board))
        try:
            fitted = fit(backbone, prepared.data, recipe, session, run.training_files)
        except FitError as error:
            if run.best.exists() and run.last.exists():
                error.hint = f"the best epoch until then can be exported with `export({str(run)!r}, out='BUNDLE')`"
            raise
    if run.lr_find.exists():
        plot_lr_find(run)
    write_predictions(
        run.predictions,
        prepared.catalog,
        fitted.calibration.activate(fitted.logits),
        thresholds=fitted.calibration.thresholds,
    )
    findings, commands = diagnose_run(run, recipe, backbone, prepared, fitted, environment)
    trained = Exportable(
        classifier=fitted.model,
        pixels=backbone.pixels,
        catalog=prepared.catalog,
        checked=_checked(prepared, backbone, recipe, environment),
        learned=learned_images(prepared.catalog, backbone.pixels, recipe, environment, hashed=True),
        recipe=recipe,
        unreadable_count=len(unreadable),
        head_trained="head" in fitted.stage_seconds,
        own_calibration_set=calibration,
    )
    try:
        bundle = export_bundle(trained, run.bundle_draft, version="1", threads=environment.threads, progress=progress)
        progress.start("report", 1, "pages")
        write_report(run, recipe, prepared.catalog, bundle, unreadable_count=len(unreadable))
        run.bundle_draft.rename(run.bundle)  # last of all: if it is there, nothing is left to do
    finally:
        shutil.rmtree(run.bundle_draft, ignore_errors=True)
    environment.distributed.barrier()
    return RunResult(
        fit=fitted,
        findings=findings,
        commands=commands,
        bundle=bundle,
        unreadable=unreadable,
        warnings=warnings,
        summary=run.summary(recipe, prepared.catalog),
        decisions=decisions,
    )


def _checked(prepared: Prepared, backbone: Backbone, recipe: Recipe, environment: Environment) -> PixelSource:
    """The images on which the exported model is checked."""
    if len(prepared.data.valid):
        return prepared.data.valid
    return prepare_export(prepared.catalog, backbone.pixels, seed=recipe.seed, decoding=environment.decoding)[1]


def _check(recipe: Recipe, prepared: Prepared) -> Iterator[str]:
    """What the preparation of the images shows about them."""
    catalog, data = prepared.catalog, prepared.data
    return quick_warnings(
        (*catalog.split("train"), *catalog.split("valid")),
        (*data.train.originals, *data.valid.originals),
        data=recipe.data.path,
    )
