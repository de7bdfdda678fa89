"""From a run, or from images that nothing was trained on, to the page on which a person mends labels."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from service.bundle import BundleRefused, read_bundle
from service.cores import usable_cores
from service.predictor import Predictor
from trainer.catalog import Catalog, Row
from trainer.checking.check import check_images
from trainer.checking.items import items_of
from trainer.cleaning.check_cache import read_check, write_check
from trainer.cleaning.duplicates import exact_duplicates, found_by_check, found_reasons, near_duplicates
from trainer.cleaning.insight import find_insight, suspect_queues
from trainer.cleaning.losses import top_losses
from trainer.cleaning.queues import Queue
from trainer.cleaning.session import Session, Subject
from trainer.cleaning.similar import SimilarImages
from trainer.cleaning.views import Views
from trainer.cleaning.web.routes import Tools
from trainer.cleaning.work import Background, BackgroundProgress, Step
from trainer.command_line import command_line
from trainer.data.prepare import Prepared
from trainer.errors import CleanError, RunError
from trainer.model.backbones import is_pretrained
from trainer.predictions import read_predictions
from trainer.recipe import Recipe
from trainer.run.environment import Environment
from trainer.run.features import compute_features, read_features
from trainer.run.folder import RunFolder, name_of_images
from trainer.run.inputs import (
    complete_recipe,
    load_recipe_backbone,
    prepare_images,
    read_recipe_catalog,
    report_catalog,
)
from trainer.run.next_command import cleaned_words, next_runs

_SUSPECTS = "looking for wrong labels"
_CHECK = "checking every image"


@dataclass(frozen=True, kw_only=True)
class Cleaning:
    """A session, and what it needs besides.

    Attributes:
        session: The decisions.
        views: What the page gets.
        tools: About single images.
        background: Works out the queues that take a while; it is not started.
    """

    session: Session
    views: Views
    tools: Tools
    background: Background


def is_run(path: Path) -> bool:
    """Whether a folder is a run, or what `prepare_cleaning` wrote."""
    return RunFolder(path).recipe.is_file()


def prepare_cleaning(recipe: Recipe, out: Path, environment: Environment) -> RunFolder:
    """Read images that nothing was trained on, and compute their features: OUT gets recipe.toml, catalog.csv and
    features.npy. If OUT has them already and the images are the same, nothing is done.

    Args:
        recipe: Names the images and the network.
        out: A new folder, or one of an earlier call.
        environment: Where.

    Raises:
        RunError: OUT is something else, of other images, or among the images.
        TrainerError: The images or the network cannot be used.
    """
    run = RunFolder(out)
    run.require_outside(recipe.data.path, recipe.data.valid)
    catalog = read_recipe_catalog(recipe)
    recipe = complete_recipe(recipe, catalog, name=name_of_images(Path(recipe.data.path)))
    if os.path.lexists(out):
        _require_same_data(run, recipe)
    else:
        run.create(recipe)
    with run.locked():
        run.remove_partial_files()
        if run.catalog.exists() and not _is_up_to_date(run, recipe, catalog, environment):
            for file in (run.catalog, run.features, run.unreadable):
                file.unlink(missing_ok=True)
        if run.catalog.exists() and run.features.exists():
            return run
        backbone = load_recipe_backbone(recipe)
        report_catalog(catalog, recipe, environment.progress)
        prepared = prepare_images(catalog, backbone, recipe, environment)
        if not run.catalog.exists():
            run.write_prepared(prepared)
        compute_features(run, recipe, backbone, prepared, environment)
    return run


def open_cleaning(path: Path, environment: Environment, *, root: Path | None = None) -> Cleaning:
    """Open a run, or what `prepare_cleaning` wrote. What it lacks is left out, with a line.

    Args:
        path: RUN.
        environment: Where features are computed, if a run of an older version has none.
        root: Folder of the images, if they were moved.

    Raises:
        RunError: It is not a run, or has no catalog yet; edits.jsonl is damaged.
        CatalogError: The images are not there.
        CleanError: Nothing can be written there.
    """
    run = RunFolder(path)
    recipe = run.read_recipe()
    run.require(run.catalog)
    catalog = run.read_catalog(recipe, root)
    _require_writable(run)
    notes = [*_add_features(run, recipe, catalog, environment)]
    session = Session(
        Subject(
            name=recipe.name or path.name,
            source=str(path),
            rows=catalog.rows,
            root=catalog.root,
            classes=catalog.classes,
            label_delimiter=catalog.label_delimiter,
            edits=run.edits,
            cleaned=run.cleaned,
            next_command=functools.partial(_next_command, run, recipe),
        )
    )
    predictor = _predictor(run, notes)
    has_predictions = run.predictions.exists()
    views = Views(
        session, has_heatmaps=predictor is not None and predictor.has_heatmaps, has_predictions=has_predictions
    )
    views.notes = notes
    queues: list[Queue] = [exact_duplicates(catalog.rows)]
    if has_predictions:
        predictions = read_predictions(run.predictions, label_delimiter=catalog.label_delimiter)
        queues.append(top_losses(predictions, catalog.rows))
    views.add([queue for queue in queues if len(queue)])
    tools = Tools()
    worker = _Worker(run=run, catalog=catalog, views=views, tools=tools)
    tools.predictor = lambda: predictor
    background = Background([*worker.steps()], deliver=worker.deliver)
    views.pending = lambda: background.pending
    views.failures = lambda: background.failures
    return Cleaning(session=session, views=views, tools=tools, background=background)


@dataclass(frozen=True, kw_only=True)
class _Worker:
    """What is worked out in the background."""

    run: RunFolder
    catalog: Catalog
    views: Views
    tools: Tools

    def steps(self) -> Iterator[Step]:
        if self.run.features.exists():
            is_multilabel = self.catalog.task == "multilabel"
            kinds = ("missing", "surplus") if is_multilabel else ("wrong",)
            yield Step(queues=(*kinds, "off-topic", "least-sure"), label=_SUSPECTS, run=self._find_suspects)
        yield Step(queues=("near-duplicates", "check"), label=_CHECK, run=self._check)

    def deliver(self, queues: Sequence[Queue]) -> None:
        self.views.add([queue for queue in queues if len(queue)])

    def _find_suspects(self, _progress: BackgroundProgress) -> Sequence[Queue]:
        features = read_features(self.run, count=len(self.catalog.rows))
        if features is None:
            return ()
        found = find_insight(self.catalog, features, cache=self.run.suspects)
        similar = SimilarImages(features)
        classes = self.catalog.classes

        def likely(image: int) -> Sequence[tuple[str, float]]:
            pairs = zip(found.likely[image].tolist(), found.probabilities[image].tolist(), strict=True)
            return [(classes[index], probability) for index, probability in pairs if np.isfinite(probability)]

        self.views.likely = likely
        self.tools.similar = similar.nearest
        return suspect_queues(found, classes=classes)

    def _check(self, progress: BackgroundProgress) -> Sequence[Queue]:
        rows = self.catalog.rows
        result = read_check(self.run.check, rows)
        if result is None:
            items = items_of(replace(self.catalog, drawn=None))
            result = check_images(items, threads=max(1, usable_cores() - 1), progress=progress)
            write_check(self.run.check, result, rows)
        reasons = found_reasons(result)

        def found(row: Row) -> Sequence[str]:
            return reasons.get(row.path, ())

        self.tools.found = found
        return [near_duplicates(result, rows), found_by_check(result, rows)]


def _require_same_data(run: RunFolder, recipe: Recipe) -> None:
    before = run.read_recipe()
    if run.history.exists() or run.bundle.exists():
        raise RunError(f"{run} is a run; clean it with `clean({str(run)!r})`, or give another folder for `out`")
    if before.data.path != recipe.data.path:
        raise RunError(f"{run} is of {before.data.path}, not of {recipe.data.path}; give another folder for `out`")


def _is_up_to_date(run: RunFolder, recipe: Recipe, catalog: Catalog, environment: Environment) -> bool:
    """Whether the images are those that are in catalog.csv; what is new or gone is reported."""
    before = {row.path for row in run.read_catalog(run.read_recipe(), None, must_exist=False).rows}
    left_out = {row.path for row in run.read_unreadable(recipe)}
    now = {row.path for row in catalog.rows} - left_out
    if now == before:
        return True
    environment.progress.info(
        f"{len(now - before):,} images are new and {len(before - now):,} are gone since {run} was made: all are read "
        "again, and what was decided is kept"
    )
    return False


def _require_writable(run: RunFolder) -> None:
    """Raise CleanError if decisions could not be saved."""
    file = run.edits if run.edits.exists() else run.path
    if not os.access(file, os.W_OK) or not os.access(run.path, os.W_OK):
        raise CleanError(f"{file} cannot be written, so nothing could be saved; make it writable, or copy the folder")


def _add_features(run: RunFolder, recipe: Recipe, catalog: Catalog, environment: Environment) -> Iterator[str]:
    """Compute the features of a run that has none, if its network was pretrained; a line if it was not."""
    if read_features(run, count=len(catalog.rows)) is not None:
        return
    if not is_pretrained(recipe.backbone, recipe.weights):
        yield (
            f"{run} has no features.npy, because its network started with random weights: there are no suspects, and "
            "no similar images."
        )
        return
    environment.progress.info(f"{run} has no features.npy: they are computed now, once")
    backbone = load_recipe_backbone(recipe)
    prepared: Prepared = prepare_images(catalog, backbone, recipe, environment, hashed=True)
    run.require_unchanged(catalog.rows, prepared.catalog.rows)
    compute_features(run, recipe, backbone, prepared, environment)


def _predictor(run: RunFolder, notes: list[str]) -> Predictor | None:
    if not run.bundle.exists():
        notes.append(f"{run} has no bundle: there are no heatmaps.")
        return None
    try:
        return Predictor(read_bundle(run.bundle))
    except BundleRefused as error:
        notes.append(f"The bundle of {run} cannot be used, so there are no heatmaps: {error}.")
        return None


def _next_command(run: RunFolder, recipe: Recipe) -> str:
    return command_line("fit", *cleaned_words(run, recipe), "--out", next(next_runs(run.path)))
