"""Sweeps the learning rate of either stage, in the state in which the stage would begin, and chooses one."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from trainer.data import Images, TrainingData, open_images
from trainer.model import Classifier
from trainer.progress import Progress
from trainer.recipe import Recipe
from trainer.recipe_freezing import frozen_in, parse_freeze
from trainer.training.finetune import Finetuner
from trainer.training.head_learner import HeadLearner
from trainer.training.lr_find.result import LR_FIND, LRFindResult, Stage, read_lr_find, write_lr_find
from trainer.training.lr_find.suggestions import choose, suggest
from trainer.training.lr_find.sweep import Plan, Step, SweepCurve, sweep
from trainer.training.sizes import parse_sizes

# Of the random numbers: the fit itself has others.
_HEAD, _WHOLE = 11, 12
_MOMENTUM = 0.9
_BUDGET_S = 100.0
_CPU_BATCH_SIZE = 16
_LEAST_BATCH = 2  # norms that learn need two
_CPU_PLAN = Plan(low=1e-6, high=1.0, steps=75)
_PEAK_SHARE = 0.3  # of the one-cycle schedule, where the rate is highest


def search_head_lr(
    model: Classifier, features: Tensor, data: TrainingData, recipe: Recipe, *, progress: Progress
) -> LRFindResult:
    """Sweep the head on what `extract_features` gave. The model stays as it is."""

    def begin(number: int) -> Step:
        learner = HeadLearner(model, features, data, _reseeded(recipe, _HEAD, number))
        waiting = (picked for epoch in itertools.count() for picked in learner.begin_epoch(epoch))
        return lambda rate: learner.step(next(waiting), rate=rate, momentum=_MOMENTUM)

    return _choose(sweep(model, begin, Plan(), progress=progress), own=recipe.head.lr)


def search_finetune_lr(
    model: Classifier,
    data: TrainingData,
    recipe: Recipe,
    *,
    size: int,
    device: torch.device,
    progress: Progress,
    images: Images | None = None,
) -> LRFindResult:
    """Sweep the whole network, earlier layers slower as in the fit, frozen what is frozen at the schedule's peak.

    The model stays as it is.

    size    side of the training crops, pixels; of several in the recipe that of the schedule's peak counts
    images  those of `data` on the device, where they were opened before

    On a CPU it takes smaller batches, leaves out what is lowest and highest, and where it must takes fewer steps, and
    then still smaller batches: about two minutes at most.
    """
    source = open_images(data.train, device) if images is None else images
    sizes = parse_sizes(recipe.finetune.sizes)
    size = sizes[int(_PEAK_SHARE * len(sizes))] if sizes else size
    frozen = frozen_in(int(_PEAK_SHARE * recipe.finetune.epochs), parse_freeze(recipe.finetune.freeze))
    plan, batch_size = Plan(), recipe.finetune.batch_size
    if device.type == "cpu":
        plan, batch_size = _CPU_PLAN, min(batch_size, _CPU_BATCH_SIZE)

    def begin(number: int, *, batch_size: int) -> Step:
        tried = dataclasses.replace(
            recipe.finetune,
            epochs=plan.steps,
            batch_size=batch_size,
            accumulate=min(recipe.finetune.accumulate, batch_size),
            sizes="",
            freeze="",
            compile=False,
        )
        own = dataclasses.replace(_reseeded(recipe, _WHOLE, number), finetune=tried)
        stage = Finetuner(model, data, own, size=size, device=device, images=source)
        return stage.begin_sweep(momentum=_MOMENTUM, frozen=frozen, say=progress.info)

    batch_sizes = [batch_size]
    while batch_sizes[-1] >= 2 * _LEAST_BATCH:
        batch_sizes.append(batch_sizes[-1] // 2)
    first, *cheaper = [partial(begin, batch_size=each) for each in batch_sizes]
    curve = sweep(model, first, plan, progress=progress, budget_s=_BUDGET_S, cheaper=cheaper)
    return _choose(curve, own=recipe.finetune.lr)


def with_found_lr(
    recipe: Recipe, stage: Stage, search: Callable[[], LRFindResult], *, run: Path, progress: Progress
) -> Recipe:
    """The recipe with the rate that was found for a stage: just now, or before the run was stopped.

    It is kept in RUN/lr_find.json. A recipe that does not ask for rates to be found comes back as it is.
    """
    if not recipe.auto_lr:
        return recipe
    found = read_lr_find(run / LR_FIND)
    if stage not in found:
        found[stage] = search()
        write_lr_find(run / LR_FIND, found)
        progress.info(f"{stage}: {found[stage].summary_line}")
    own = dataclasses.replace(getattr(recipe, stage), rate=found[stage].suggestion)
    return dataclasses.replace(recipe, **{stage: own})


def _choose(curve: SweepCurve, *, own: float) -> LRFindResult:
    chosen, rule = choose(
        curve.lrs, curve.losses, lowest=curve.lowest, highest=curve.highest, diverged=curve.diverged, own=own
    )
    return LRFindResult(curve=curve, suggestions=suggest(curve.lrs, curve.losses), suggestion=chosen, rule=rule)


def _reseeded(recipe: Recipe, stream: int, number: int) -> Recipe:
    """The recipe with a seed of its own: batches, augmentation and dropout come from (seed, sweep, step)."""
    state = np.random.SeedSequence((recipe.seed, stream, number)).generate_state(1, np.uint64)[0]
    return dataclasses.replace(recipe, seed=int(state >> np.uint64(1)))
