"""The first stage: the frozen body runs once over each view of each image; the head learns from what it gave."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from trainer.fitting.data import TrainingData, loss_of, seed_torch
from trainer.fitting.devices import frozen_autocast
from trainer.fitting.evaluate import BATCH_SIZE, batches
from trainer.fitting.progress import Progress
from trainer.fitting.recipe import Recipe
from trainer.fitting.schedule import one_cycle
from trainer.model import Classifier
from trainer.pixels import augment

# Streams of random numbers; views take epochs that the second stage never reaches.
_STAGE, _FIRST_VIEW = 1, 1_000_000


@torch.inference_mode()
def extract_features(
    model: Classifier, data: TrainingData, recipe: Recipe, *, size: int, device: torch.device, progress: Progress
) -> Tensor:
    """Run the body over every view of every training image: float16 [views, N, width], on the CPU."""
    model.eval()
    views, count = recipe.head.views, len(data.train)
    progress.start("features", views * count)
    features = torch.empty(views, count, model.head.in_features, dtype=torch.float16)
    with frozen_autocast(device):
        for view in range(views):
            for positions in batches(count, BATCH_SIZE):
                pixels = augment(
                    torch.from_numpy(data.train.batch(positions)).to(device),
                    data.train.aspects[positions],
                    positions,
                    size=size,
                    settings=recipe.augmentation,
                    seed=recipe.seed,
                    epoch=_FIRST_VIEW + view,
                )
                features[view, positions] = model.embed(pixels).to("cpu", torch.float16)
                progress.advance(len(positions))
    return features


def fit_head(model: Classifier, features: Tensor, data: TrainingData, recipe: Recipe, *, progress: Progress) -> None:
    """Train `model.head` in place, one cycle, on one view of each image an epoch.

    features  what `extract_features` gave

    Runs where the features lie, on the CPU: a linear layer's steps are shorter than their way to a device.
    """
    stage = recipe.head
    views, count, _ = features.shape
    head = torch.nn.Linear(model.head.in_features, model.head.out_features)
    head.load_state_dict({name: tensor.cpu() for name, tensor in model.head.state_dict().items()})
    decayed, plain = [head.weight], [head.bias]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": stage.weight_decay}, {"params": plain, "weight_decay": 0.0}],
        betas=(0.9, 0.99),
    )
    targets = torch.from_numpy(data.train_targets)
    batch_count = -(-count // stage.batch_size)
    progress.start("head", stage.epochs * batch_count)
    for epoch in range(stage.epochs):
        random = np.random.default_rng((recipe.seed, _STAGE, epoch))
        order, view = random.permutation(count), random.integers(views, size=count)
        seed_torch(recipe.seed, _STAGE, epoch)
        for batch in range(batch_count):
            picked = order[batch * stage.batch_size : (batch + 1) * stage.batch_size]
            rate, momentum = one_cycle(
                epoch * batch_count + batch, steps=stage.epochs * batch_count, peak_rate=stage.rate
            )
            for group in optimizer.param_groups:
                group.update(lr=rate, betas=(momentum, 0.99))
            inputs = F.dropout(features[view[picked], picked].float(), recipe.dropout)
            loss = loss_of(head(inputs), targets[picked], task=data.task, smoothing=recipe.label_smoothing)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            progress.advance()
    model.head.load_state_dict(head.state_dict())
