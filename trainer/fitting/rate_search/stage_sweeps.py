"""Both sweeps one after the other, without a fit."""

from __future__ import annotations

import dataclasses

import torch

from trainer.fitting.data import TrainingData
from trainer.fitting.hardware.devices import keep_freed_memory
from trainer.fitting.hardware.memory import needing_memory
from trainer.fitting.progress import Progress
from trainer.fitting.rate_search.found_rate import FoundRate, Stage
from trainer.fitting.rate_search.search import search_head_rate, search_whole_rate
from trainer.fitting.recipe.recipe import Recipe
from trainer.fitting.recipe.sizes import crop_size
from trainer.fitting.stages.head_stage import extract_features, fit_head
from trainer.model import Backbone, Classifier


def sweep_stages(
    backbone: Backbone, data: TrainingData, recipe: Recipe, *, device: torch.device, progress: Progress
) -> dict[Stage, FoundRate]:
    """What `fit` finds before each of its stages where the recipe asks for it.

    The second stage is swept after the first one was trained with the rate that was found for it.
    """
    keep_freed_memory()
    model = Classifier(backbone, class_count=data.class_count, dropout=recipe.dropout)
    size = backbone.pixels.size
    crop = size if backbone.fixed_size else crop_size(size, recipe.whole.size_share)
    found: dict[Stage, FoundRate] = {}
    with needing_memory(device):
        model = model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if recipe.head.epochs and backbone.pretrained:
        features = extract_features(model, data, recipe, size=size, device=device, progress=progress)
        found["head"] = search_head_rate(model, features, data, recipe, progress=progress)
        rate = dataclasses.replace(recipe.head, rate=found["head"].chosen)
        fit_head(model, features, data, dataclasses.replace(recipe, head=rate), progress=progress)
    if recipe.whole.epochs:
        with needing_memory(device):
            found["whole"] = search_whole_rate(model, data, recipe, size=crop, device=device, progress=progress)
    return found
