"""The first stage: the frozen body runs once over each view of each image; the head learns from what it gave."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from trainer.fitting.data import TrainingData
from trainer.fitting.hardware.devices import autocast, frozen_dtype
from trainer.fitting.hardware.memory import MicroBatch
from trainer.fitting.hardware.processes import ALONE, Processes
from trainer.fitting.measuring.evaluate import BATCH_SIZE, batches
from trainer.fitting.progress import Progress
from trainer.fitting.recipe.recipe import Recipe
from trainer.fitting.stages.head_learner import HeadLearner
from trainer.fitting.stages.schedule import one_cycle
from trainer.model import Classifier
from trainer.pixels import augment, open_images

# Views take epochs that the second stage never reaches.
_FIRST_VIEW = 1_000_000


@torch.inference_mode()
def extract_features(
    model: Classifier,
    data: TrainingData,
    recipe: Recipe,
    *,
    size: int,
    device: torch.device,
    progress: Progress,
    on_event: Callable[..., None] = lambda *_, **__: None,
    processes: Processes = ALONE,
) -> Tensor:
    """Run the body over every view of every training image: float16 [views, N, width], on the CPU.

    on_event  told, as `History.write` is: a `warning` where memory runs out

    Of several processes each works on its share of the images, and all get everything. Raises FitError where the
    memory does not hold a single image.
    """
    model.eval()
    views, count = recipe.head.views, len(data.train)
    own = processes.share(count)
    progress.start("features", views * (own.stop - own.start))
    on_gpu = device.type == "cuda"
    features = torch.zeros(views, count, model.head.in_features, dtype=torch.float16, pin_memory=on_gpu)
    images, micro_batch = open_images(data.train, device), MicroBatch(BATCH_SIZE, device=device)
    dtype = frozen_dtype(device, recipe.precision)

    def embed(view: int, positions: npt.NDArray[np.int64]) -> None:
        pixels = augment(
            images.batch(positions),
            data.train.aspects[positions],
            positions,
            size=size,
            settings=recipe.augmentation,
            seed=recipe.seed,
            epoch=_FIRST_VIEW + view,
        )
        with autocast(device, dtype):  # the network alone: in bf16 crops would be a pixel off
            embeddings = model.embed(pixels).to(torch.float16)
        features[view, positions[0] : positions[-1] + 1].copy_(embeddings, non_blocking=on_gpu)

    def say(line: str) -> None:
        progress.say(f"warning: {line}")
        on_event("warning", stage="features", text=line, micro_batch=micro_batch.size)

    for view in range(views):
        for place in batches(own.stop - own.start, BATCH_SIZE):
            positions = own.start + place
            micro_batch.over(positions, partial(embed, view), say=say)
            progress.advance(len(positions))
    if on_gpu:
        torch.cuda.synchronize(device)
    processes.sum(features)
    return features


def fit_head(model: Classifier, features: Tensor, data: TrainingData, recipe: Recipe, *, progress: Progress) -> None:
    """Train `model.head` in place, one cycle, on one view of each image an epoch.

    features  what `extract_features` gave
    """
    stage, learner = recipe.head, HeadLearner(model, features, data, recipe)
    steps = stage.epochs * learner.count
    progress.start("head", steps)
    for epoch in range(stage.epochs):
        for number, picked in enumerate(learner.begin_epoch(epoch), start=epoch * learner.count):
            rate, momentum = one_cycle(number, steps=steps, peak_rate=stage.rate)
            learner.step(picked, rate=rate, momentum=momentum)
            progress.advance()
    model.head.load_state_dict(learner.head.state_dict())
