"""Both sweeps one after the other, without a fit."""

from __future__ import annotations

import dataclasses

import torch

from trainer.data import TrainingData
from trainer.model import Backbone
from trainer.progress import Progress
from trainer.recipe import Recipe
from trainer.training.head import extract_features, fit_head
from trainer.training.lr_find.result import LRFindResult, Stage
from trainer.training.lr_find.search import search_finetune_lr, search_head_lr
from trainer.training.memory import oom_as_fit_error
from trainer.training.placing import place
from trainer.training.sizes import training_size


def sweep_stages(
    backbone: Backbone, data: TrainingData, recipe: Recipe, *, device: torch.device, progress: Progress
) -> dict[Stage, LRFindResult]:
    """What `fit` finds before each of its stages where the recipe asks for it.

    The second stage is swept after the first one was trained with the rate that was found for it.
    """
    model, images = place(backbone, data, recipe, device=device)
    size, crop = backbone.pixels.size, training_size(backbone, recipe.finetune.crop_scale)
    found: dict[Stage, LRFindResult] = {}
    if recipe.head.epochs and backbone.pretrained:
        features = extract_features(model, data, recipe, size=size, device=device, progress=progress, images=images)
        found["head"] = search_head_lr(model, features, data, recipe, progress=progress)
        rate = dataclasses.replace(recipe.head, lr=found["head"].suggestion)
        fit_head(model, features, data, dataclasses.replace(recipe, head=rate), progress=progress)
    if recipe.finetune.epochs:
        with oom_as_fit_error(device):
            found["finetune"] = search_finetune_lr(
                model, data, recipe, size=crop, device=device, progress=progress, images=images
            )
    return found
