"""The second stage: the whole network learns, earlier layers slower, one cycle, a moving average of its weights."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from trainer.fitting.data import TrainingData, loss_of, seed_torch
from trainer.fitting.devices import training_autocast
from trainer.fitting.ema import Ema
from trainer.fitting.progress import Progress
from trainer.fitting.recipe import Recipe
from trainer.fitting.schedule import one_cycle
from trainer.model import Classifier, parameter_groups
from trainer.model.groups import GROUP_NAMES
from trainer.pixels import augment

_STAGE = 2


@dataclass(frozen=True, kw_only=True, eq=False)
class Epoch:
    """One pass over the training images.

    model             the moving average of the weights, in eval mode; it changes as training goes on
    loss              mean training loss, with augmentation, dropout and label smoothing
    images_per_second of the training steps
    """

    number: int
    model: Classifier
    loss: float
    images_per_second: float


def fit_whole(
    model: Classifier,
    data: TrainingData,
    recipe: Recipe,
    *,
    size: int,
    device: torch.device,
    progress: Progress,
) -> Iterator[Epoch]:
    """Train everything, and stop after every epoch to be looked at. size: side of the training crops, pixels."""
    stage = recipe.whole
    count = len(data.train)
    batch_size = min(stage.batch_size, count)
    batch_count = count // batch_size
    groups = parameter_groups(model, weight_decay=stage.weight_decay)
    optimizer = torch.optim.AdamW(groups, lr=stage.rate, betas=(0.9, 0.99), fused=device.type != "mps")
    shares = rate_shares(1.0 if model.train_norms else stage.rate_spread)
    average = Ema(model, decay=stage.ema_decay)
    targets = torch.from_numpy(data.train_targets).to(device)
    for epoch in range(stage.epochs):
        model.train()
        order = np.random.default_rng((recipe.seed, _STAGE, epoch)).permutation(count)
        progress.start(f"epoch {epoch + 1}/{stage.epochs}", batch_count * batch_size)
        total_loss = torch.zeros((), device=device)
        start = time.perf_counter()
        for batch in range(batch_count):
            step = epoch * batch_count + batch
            # In file order: pages of the cache are read as they lie.
            positions = np.sort(order[batch * batch_size : (batch + 1) * batch_size])
            rate, momentum = one_cycle(step, steps=stage.epochs * batch_count, peak_rate=stage.rate)
            for group in optimizer.param_groups:
                group.update(lr=rate * shares[group["name"]], betas=(momentum, 0.99))
            pixels = augment(
                torch.from_numpy(data.train.batch(positions)).to(device),
                data.train.aspects[positions],
                positions,
                size=size,
                settings=recipe.augmentation,
                seed=recipe.seed,
                epoch=epoch,
            )
            seed_torch(recipe.seed, _STAGE, step)
            with training_autocast(device):
                logits = model(pixels)
            loss = loss_of(logits, targets[positions], task=data.task, smoothing=recipe.label_smoothing)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            average.update(model)
            total_loss += loss.detach()
            progress.advance(batch_size)
        mean_loss = float(total_loss) / batch_count
        seconds = time.perf_counter() - start
        yield Epoch(
            number=epoch + 1,
            model=average.model,
            loss=mean_loss,
            images_per_second=batch_count * batch_size / seconds,
        )


def rate_shares(spread: float) -> dict[str, float]:
    """Each parameter group's share of the peak rate: geometric, 1 / spread for the earliest layers, 1 for the head."""
    last = len(GROUP_NAMES) - 1
    return {name: spread ** (position / last - 1) for position, name in enumerate(GROUP_NAMES)}
