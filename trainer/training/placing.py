"""The network and the training images on the device, which is made ready for a training."""

from __future__ import annotations

import torch

from trainer.data import Images, TrainingData, open_images
from trainer.model import Backbone, Classifier
from trainer.recipe import Recipe
from trainer.training.device import enable_cudnn_benchmark, keep_freed_memory
from trainer.training.memory import oom_as_fit_error


def place(backbone: Backbone, data: TrainingData, recipe: Recipe, *, device: torch.device) -> tuple[Classifier, Images]:
    """A new classifier, channels last, and the training images; raises FitError where the memory does not hold them."""
    keep_freed_memory()
    enable_cudnn_benchmark(device)
    model = Classifier(backbone, class_count=data.class_count, dropout=recipe.dropout)
    with oom_as_fit_error(device):
        model = model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return model, open_images(data.train, device)
