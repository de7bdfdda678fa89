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
from trainer.cleaning.duplicates import exact_duplicates, found_by_check, found_reasons, near_duplicates
from trainer.cleaning.losses import top_losses
from trainer.cleaning.queues import Queue
from trainer.cleaning.session import Session, Subject
from trainer.cleaning.views import Views
from trainer.cleaning.web.routes import Tools
from trainer.cleaning.work import Background, BackgroundProgress, Step
from trainer.command_line import command_line
from trainer.errors import CleanError
from trainer.predictions import read_predictions
from trainer.recipe import Recipe
from trainer.run.features import read_features
from trainer.run.folder import RunFolder
from trainer.run.next_command import cleaned_words, next_runs

_SUSPECTS = "looking for wrong labels"
_CHECK = "checking every image"
_COLLECT = "finding out what to collect"


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


def can_add_features(path: Path) -> bool:
    """Whether a run has no features.npy, but could have one: its network did not start with random weights."""
    run = RunFolder(path)
    if run.features.exists():
        return False
    from trainer.model import is_pretrained  # imports torch

    recipe = run.read_recipe()
    return is_pretrained(recipe.backbone, recipe.weights)


def open_cleaning(path: Path, *, root: Path | None = None) -> Cleaning:
    """Open a run, or what `prepare_cleaning` wrote. What it lacks is left out, with a line.

    Args:
        path: RUN.
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
    notes = []
    if read_features(run, count=len(catalog.rows)) is None:
        notes.append(f"{run} has no features.npy: there are no suspects, and no similar images.")
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
    views.queues.add(queues)
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
        if self.run.features.exists() and self.run.predictions.exists():
            yield Step(queues=(), label=_COLLECT, run=self._collect)

    def deliver(self, queues: Sequence[Queue]) -> None:
        self.views.queues.add(queues)

    def _find_suspects(self, _progress: BackgroundProgress) -> Sequence[Queue]:
        from trainer.cleaning.insight import find_insight, suspect_queues  # scikit-learn takes a second to import
        from trainer.cleaning.similar import SimilarImages

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
        from trainer.checking.check import check_images  # SciPy takes a second to import
        from trainer.checking.items import items_of
        from trainer.cleaning.check_cache import read_check, write_check

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

    def _collect(self, _progress: BackgroundProgress) -> Sequence[Queue]:
        from trainer.run.collecting import collect_for_run  # scikit-learn

        session = self.views.session
        with session.reading():
            now = [session.row(image) for image in range(len(self.catalog.rows))]
        found = collect_for_run(self.run, self.catalog, now=now)
        if found is not None:
            advice = found.advice(self.catalog.classes)
            self.views.collect = lambda: advice
        return ()


def _require_writable(run: RunFolder) -> None:
    """Raise CleanError if decisions could not be saved."""
    file = run.edits if run.edits.exists() else run.path
    if not os.access(file, os.W_OK) or not os.access(run.path, os.W_OK):
        raise CleanError(f"{file} cannot be written, so nothing could be saved; make it writable, or copy the folder")


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
