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

from trainer.fitting.data import TrainingData
from trainer.fitting.progress import Progress
from trainer.fitting.rate_search.found_rate import LR_FIND, FoundRate, Stage, read_found, write_found
from trainer.fitting.rate_search.suggestions import choose, suggest
from trainer.fitting.rate_search.sweep import Curve, Plan, Step, sweep
from trainer.fitting.recipe.freezing import frozen_in, parse_freeze
from trainer.fitting.recipe.recipe import Recipe
from trainer.fitting.recipe.sizes import parse_sizes
from trainer.fitting.stages.head_learner import HeadLearner
from trainer.fitting.stages.whole_stage import WholeTraining
from trainer.model import Classifier
from trainer.pixels import Images, open_images

# Of the random numbers: the fit itself has others.
_HEAD, _WHOLE = 11, 12
_MOMENTUM = 0.9
_BUDGET_S = 100.0
_CPU_BATCH_SIZE = 16
_LEAST_BATCH = 2  # norms that learn need two
_CPU_PLAN = Plan(low=1e-6, high=1.0, steps=75)
_PEAK_SHARE = 0.3  # of the one-cycle schedule, where the rate is highest


def search_head_rate(
    model: Classifier, features: Tensor, data: TrainingData, recipe: Recipe, *, progress: Progress
) -> FoundRate:
    """Sweep the head on what `extract_features` gave. The model stays as it is."""

    def begin(number: int) -> Step:
        learner = HeadLearner(model, features, data, _reseeded(recipe, _HEAD, number))
        waiting = (picked for epoch in itertools.count() for picked in learner.begin_epoch(epoch))
        return lambda rate: learner.step(next(waiting), rate=rate, momentum=_MOMENTUM)

    return _choose(sweep(model, begin, Plan(), progress=progress), own=recipe.head.rate)


def search_whole_rate(
    model: Classifier,
    data: TrainingData,
    recipe: Recipe,
    *,
    size: int,
    device: torch.device,
    progress: Progress,
    images: Images | None = None,
) -> FoundRate:
    """Sweep the whole network, earlier layers slower as in the fit, frozen what is frozen at the schedule's peak.

    The model stays as it is.

    size    side of the training crops, pixels; of several in the recipe that of the schedule's peak counts
    images  those of `data` on the device, where they were opened before

    On a CPU it takes smaller batches, leaves out what is lowest and highest, and where it must takes fewer steps, and
    then still smaller batches: about two minutes at most.
    """
    source = open_images(data.train, device) if images is None else images
    sizes = parse_sizes(recipe.whole.sizes)
    size = sizes[int(_PEAK_SHARE * len(sizes))] if sizes else size
    frozen = frozen_in(int(_PEAK_SHARE * recipe.whole.epochs), parse_freeze(recipe.whole.freeze))
    plan, batch_size = Plan(), recipe.whole.batch_size
    if device.type == "cpu":
        plan, batch_size = _CPU_PLAN, min(batch_size, _CPU_BATCH_SIZE)

    def begin(number: int, *, batch_size: int) -> Step:
        tried = dataclasses.replace(
            recipe.whole,
            epochs=plan.steps,
            batch_size=batch_size,
            accumulate=min(recipe.whole.accumulate, batch_size),
            sizes="",
            freeze="",
            compile=False,
        )
        own = dataclasses.replace(_reseeded(recipe, _WHOLE, number), whole=tried)
        stage = WholeTraining(model, data, own, size=size, device=device, images=source)
        return stage.begin_sweep(momentum=_MOMENTUM, frozen=frozen, say=progress.say)

    batch_sizes = [batch_size]
    while batch_sizes[-1] >= 2 * _LEAST_BATCH:
        batch_sizes.append(batch_sizes[-1] // 2)
    first, *cheaper = [partial(begin, batch_size=each) for each in batch_sizes]
    curve = sweep(model, first, plan, progress=progress, budget_s=_BUDGET_S, cheaper=cheaper)
    return _choose(curve, own=recipe.whole.rate)


def with_found_rate(
    recipe: Recipe, stage: Stage, search: Callable[[], FoundRate], *, run: Path, progress: Progress
) -> Recipe:
    """The recipe with the rate that was found for a stage: just now, or before the run was stopped.

    It is kept in RUN/lr_find.json. A recipe that does not ask for rates to be found comes back as it is.
    """
    if not recipe.auto_rates:
        return recipe
    found = read_found(run / LR_FIND)
    if stage not in found:
        found[stage] = search()
        write_found(run / LR_FIND, found)
        progress.say(f"{stage}: {found[stage].told}")
    own = dataclasses.replace(getattr(recipe, stage), rate=found[stage].chosen)
    return dataclasses.replace(recipe, **{stage: own})


def _choose(curve: Curve, *, own: float) -> FoundRate:
    chosen, rule = choose(curve.rates, curve.losses, least=curve.least, most=curve.most, burst=curve.burst, own=own)
    return FoundRate(curve=curve, suggestions=suggest(curve.rates, curve.losses), chosen=chosen, rule=rule)


def _reseeded(recipe: Recipe, stream: int, number: int) -> Recipe:
    """The recipe with a seed of its own: batches, augmentation and dropout come from (seed, sweep, step)."""
    state = np.random.SeedSequence((recipe.seed, stream, number)).generate_state(1, np.uint64)[0]
    return dataclasses.replace(recipe, seed=int(state >> np.uint64(1)))
