"""The first stage: the frozen body runs once over each view of each image; the head learns from what it gave."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from trainer.data import Images, TrainingData, augment, fits_on_gpu, open_images
from trainer.errors import FitError
from trainer.model import Classifier
from trainer.progress import Progress
from trainer.recipe import Recipe
from trainer.training.device import autocast, frozen_dtype
from trainer.training.distributed import SINGLE_PROCESS, Distributed
from trainer.training.evaluate import BATCH_SIZE, batches
from trainer.training.head_learner import HeadLearner
from trainer.training.memory import MicroBatch, oom_as_fit_error
from trainer.training.schedule import one_cycle

_CPU = torch.device("cpu")
# A multiple of the batch size. The copy waits for a GPU, so it is made now and then only.
_IMAGES_A_COPY = 64 * BATCH_SIZE
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
    processes: Distributed = SINGLE_PROCESS,
    images: Images | None = None,
) -> Tensor:
    """Run the body over every view of every training image: float16 [views, N, embedding_dim].

    They are on the device, where it is a GPU that has the room, of the main process; else on the CPU.

    on_event  told, as `History.write` is: a `warning` where memory runs out
    images    those of `data` on the device, where they were opened before

    Of several processes each works on its share of the images, and all get everything. Raises FitError where the
    memory does not hold a single image or all features, and on the main process where one is no finite number.
    """
    model.eval()
    views, count = recipe.head.views, len(data.train)
    own = processes.shard(count)
    progress.start("features", views * (own.stop - own.start))
    with oom_as_fit_error(device):
        source = open_images(data.train, device) if images is None else images
    with oom_as_fit_error(_CPU, "the features", advice="fewer head.views in a file for --recipe, or --head-epochs 0"):
        features = torch.zeros(views, count, model.head.in_features, dtype=torch.float16)
    micro_batch, dtype = MicroBatch(BATCH_SIZE, device=device), frozen_dtype(device, recipe.precision)

    def embed(view: int, positions: npt.NDArray[np.int64]) -> Tensor:
        pixels = augment(
            source.batch(positions),
            data.train.aspects[positions],
            positions,
            size=size,
            settings=recipe.augmentation,
            seed=recipe.seed,
            epoch=_FIRST_VIEW + view,
        )
        with autocast(device, dtype):  # the network alone: in bf16 crops would be a pixel off
            return model.embed(pixels).to(torch.float16)

    def say(line: str) -> None:
        progress.warn(f"{line}")
        on_event("warning", stage="features", text=line, micro_batch=micro_batch.size)

    for view in range(views):
        for block in batches(own.stop - own.start, _IMAGES_A_COPY):
            embeddings: list[Tensor] = []
            for place in batches(len(block), BATCH_SIZE):
                positions = own.start + block[place]
                embeddings += micro_batch.over(positions, partial(embed, view), say=say)
                progress.advance(len(positions))
            features[view, own.start + block] = torch.cat(embeddings).cpu()  # waits for the device
    processes.all_reduce(features)
    if processes.is_main:
        _require_finite(features, recipe)
        if fits_on_gpu(features.nbytes, device):
            return features.to(device)
    return features


def fit_head(model: Classifier, features: Tensor, data: TrainingData, recipe: Recipe, *, progress: Progress) -> None:
    """Train `model.head` in place, one cycle, on one view of each image an epoch.

    features  what `extract_features` gave

    Raises FitError where the loss is no finite number.
    """
    stage, learner = recipe.head, HeadLearner(model, features, data, recipe)
    steps = stage.epochs * learner.count
    progress.start("head", steps)
    for epoch in range(stage.epochs):
        losses: list[Tensor] = []
        for number, picked in enumerate(learner.begin_epoch(epoch), start=epoch * learner.count):
            rate, momentum = one_cycle(number, steps=steps, max_lr=stage.lr)
            losses.append(learner.step(picked, rate=rate, momentum=momentum))
            progress.advance()
        loss = float(torch.stack(losses).sum())
        if not math.isfinite(loss):
            raise FitError(
                f"the loss of the head became {loss} in epoch {epoch + 1} at a head.lr of {stage.lr:g}; "
                "try a tenth of it in a file for --recipe"
            )
    model.head.load_state_dict(learner.head.state_dict())


def _require_finite(features: Tensor, recipe: Recipe) -> None:
    parts = torch.split(features.flatten(0, 1), _IMAGES_A_COPY)
    broken = sum(int((~part.isfinite().all(dim=1)).sum()) for part in parts)
    if broken:
        raise FitError(
            f"the features of {broken:,} of {features.shape[0] * features.shape[1]:,} views are no finite numbers; "
            f"are the weights ({recipe.weights}) sound? if they are, try --precision fp32"
        )
