"""Both sweeps one after the other, without a fit."""

from __future__ import annotations

import dataclasses

import torch

from trainer.fitting.data import TrainingData
from trainer.fitting.hardware.memory import needing_memory
from trainer.fitting.progress import Progress
from trainer.fitting.rate_search.found_rate import FoundRate, Stage
from trainer.fitting.rate_search.search import search_head_rate, search_whole_rate
from trainer.fitting.recipe.recipe import Recipe
from trainer.fitting.recipe.sizes import training_size
from trainer.fitting.stages.head_stage import extract_features, fit_head
from trainer.fitting.stages.placing import place
from trainer.model import Backbone


def sweep_stages(
    backbone: Backbone, data: TrainingData, recipe: Recipe, *, device: torch.device, progress: Progress
) -> dict[Stage, FoundRate]:
    """What `fit` finds before each of its stages where the recipe asks for it.

    The second stage is swept after the first one was trained with the rate that was found for it.
    """
    model, images = place(backbone, data, recipe, device=device)
    size, crop = backbone.pixels.size, training_size(backbone, recipe.whole.size_share)
    found: dict[Stage, FoundRate] = {}
    if recipe.head.epochs and backbone.pretrained:
        features = extract_features(model, data, recipe, size=size, device=device, progress=progress, images=images)
        found["head"] = search_head_rate(model, features, data, recipe, progress=progress)
        rate = dataclasses.replace(recipe.head, rate=found["head"].chosen)
        fit_head(model, features, data, dataclasses.replace(recipe, head=rate), progress=progress)
    if recipe.whole.epochs:
        with needing_memory(device):
            found["whole"] = search_whole_rate(
                model, data, recipe, size=crop, device=device, progress=progress, images=images
            )
    return found
