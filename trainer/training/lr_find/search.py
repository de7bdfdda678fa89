"""Finds the learning rate of each stage, by sweeps from the state in which the stage would start."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from torch import Tensor

from trainer.data import TrainingData
from trainer.errors import FitError, RecipeError
from trainer.model import Classifier
from trainer.recipe import Freeze, Recipe, Sizes
from trainer.training.distributed import SINGLE_PROCESS
from trainer.training.finetune import Finetuner, max_lr
from trainer.training.head import HeadLearner
from trainer.training.history import History
from trainer.training.lr_find.result import LRFindResult, Stage, read_lr_find, write_lr_find
from trainer.training.lr_find.sweep import SweepPlan, TrainStep, sweep
from trainer.training.memory import oom_as_fit_error
from trainer.training.phases import Phases
from trainer.training.schedule import OneCycle
from trainer.training.session import Session

# Streams of random numbers; the training itself uses others.
_HEAD_STREAM = 11
_FINETUNE_STREAM = 12
_MOMENTUM = 0.9
_BUDGET_S = 100.0
_CPU_BATCH_SIZE = 16
_SMALLEST_BATCH_SIZE = 2  # trained batch norms need two images
_CPU_PLAN = SweepPlan(lr_min=1e-6, lr_max=1.0, steps=75)


def find_head_lr(
    model: Classifier, features: Tensor, data: TrainingData, recipe: Recipe, session: Session
) -> LRFindResult:
    """Sweep the head on what `extract_features` gave. The model stays as it is.

    Raises:
        RecipeError: The sweeps would start at or above the learning rate where they end.
        FitError: The loss diverged at once.
    """
    plan = _with_limits(SweepPlan(), recipe)

    def start(number: int) -> TrainStep:
        learner = HeadLearner(model, features, data, _with_seed_of(recipe, _HEAD_STREAM, number))
        picks_by_step = (picks for epoch in itertools.count() for picks in learner.start_epoch(epoch))
        return lambda lr: learner.step(next(picks_by_step), lr=lr, momentum=_MOMENTUM)

    curve = sweep(model, [start], plan, progress=session.progress)
    return LRFindResult.of(curve, recipe_lr=recipe.head.lr)


def find_finetune_lr(model: Classifier, data: TrainingData, recipe: Recipe, session: Session) -> LRFindResult:
    """Sweep the whole network, earlier layers slower, with the image size and freezing of the schedule's peak.

    On a CPU the batches are smaller, the range of learning rates is narrower and, if necessary, there are fewer steps
    and still smaller batches: it takes about two minutes at most. The model stays as it is. Of several processes one
    does all of it.

    Raises:
        RecipeError: The sweeps would start at or above the learning rate where they end.
        FitError: The loss diverged at once.
    """
    peak = Phases(recipe.finetune, data)[int(OneCycle.pct_start * recipe.finetune.epochs)]
    plan, batch_size = SweepPlan(), recipe.finetune.batch_size
    if session.device.type == "cpu":
        plan, batch_size = _CPU_PLAN, min(batch_size, _CPU_BATCH_SIZE)
    plan = dataclasses.replace(_with_limits(plan, recipe), budget_s=_BUDGET_S)
    # The other processes wait meanwhile, and what happens in a sweep is no part of the training.
    session = dataclasses.replace(session, distributed=SINGLE_PROCESS, history=History(None))

    def start(number: int, *, batch_size: int) -> TrainStep:
        stage = dataclasses.replace(
            recipe.finetune,
            epochs=plan.steps,
            batch_size=batch_size,
            accumulate=min(recipe.finetune.accumulate, batch_size),
            sizes=Sizes(((peak.size, plan.steps),)),
            crop_scale=1.0,
            freeze=Freeze(),
            compile=False,
        )
        own = dataclasses.replace(_with_seed_of(recipe, _FINETUNE_STREAM, number), finetune=stage)
        return Finetuner(model, data, own, session).start_sweep(momentum=_MOMENTUM, frozen=peak.frozen)

    batch_sizes = [batch_size]
    while batch_sizes[-1] >= 2 * _SMALLEST_BATCH_SIZE:
        batch_sizes.append(batch_sizes[-1] // 2)
    starts = [partial(start, batch_size=each) for each in batch_sizes]
    with oom_as_fit_error(session.device):
        curve = sweep(model, starts, plan, progress=session.progress)
    return LRFindResult.of(curve, recipe_lr=max_lr(model, data, recipe))


def with_lr_found(
    recipe: Recipe, stage: Stage, search: Callable[[], LRFindResult] | None, session: Session, path: Path
) -> Recipe:
    """Set the learning rate of a stage to the one that was found: just now, or before the run was stopped.

    Args:
        recipe: Is returned as it is if it does not ask to find learning rates.
        stage: head or finetune.
        search: Finds it; None if it must have been found before.
        session: Reports the result.
        path: lr_find.json, where it is kept.

    Raises:
        FitError: It must have been found before, and the file is gone.
    """
    if not recipe.auto_lr:
        return recipe
    found = read_lr_find(path)
    if stage not in found:
        if search is None:
            raise FitError(f"{path} with the learning rate of this run is gone; put it back, or start a new run")
        found[stage] = search()
        write_lr_find(path, found)
        session.progress.info(f"{stage}: {found[stage].summary_line}")
    own = dataclasses.replace(getattr(recipe, stage), lr=found[stage].suggestion)
    return dataclasses.replace(recipe, **{stage: own})


def _with_limits(plan: SweepPlan, recipe: Recipe) -> SweepPlan:
    """The plan between the learning rates that the recipe asks for."""
    lr_min, lr_max = recipe.lr_find.lr_min or plan.lr_min, recipe.lr_find.lr_max or plan.lr_max
    if lr_min >= lr_max:
        raise RecipeError(
            f"learning rate sweeps would start at {lr_min:g} and end at {lr_max:g}; give an `lr_min` that is less than "
            "`lr_max`, or both of them"
        )
    return dataclasses.replace(plan, lr_min=lr_min, lr_max=lr_max)


def _with_seed_of(recipe: Recipe, stream: int, number: int) -> Recipe:
    """The recipe with a seed of its own: batches, augmentation and dropout come from (seed, sweep, step)."""
    state = np.random.SeedSequence((recipe.seed, stream, number)).generate_state(1, np.uint64)[0]
    return dataclasses.replace(recipe, seed=int(state >> np.uint64(1)))
