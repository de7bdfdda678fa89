"""The network and the training images on the device, which is made ready for a training."""

from __future__ import annotations

import torch

from trainer.fitting.data import TrainingData
from trainer.fitting.hardware.devices import choose_kernels, keep_freed_memory
from trainer.fitting.hardware.memory import needing_memory
from trainer.fitting.recipe.recipe import Recipe
from trainer.model import Backbone, Classifier
from trainer.pixels import Images, open_images


def place(backbone: Backbone, data: TrainingData, recipe: Recipe, *, device: torch.device) -> tuple[Classifier, Images]:
    """A new classifier, channels last, and the training images; raises FitError where the memory does not hold them."""
    keep_freed_memory()
    choose_kernels(device)
    model = Classifier(backbone, class_count=data.class_count, dropout=recipe.dropout)
    with needing_memory(device):
        model = model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return model, open_images(data.train, device)
