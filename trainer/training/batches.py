"""What the network is shown in each step: drawn, augmented and mixed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from trainer.data import TrainingData, augment, to_device
from trainer.recipe import Recipe
from trainer.training.balance import balance_of, epoch_order
from trainer.training.mixing import Mix, draw_mix, mix_pixels, mix_targets, mix_weights
from trainer.training.session import Session

# Streams of random numbers.
_ORDER_STREAM = 2
_MIXING_STREAM = 3

Samples = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """Images that are processed at once, on the device.

    Attributes:
        pixels: float32 [B, 3, size, size] in 0..255, channels last.
        targets: int64 [B]; float32 [B, K] for multilabel and for mixed images.
        weights: float32 [B], how much each image counts in the loss; None: all count 1.
    """

    pixels: Tensor
    targets: Tensor
    weights: Tensor | None


class Batches:
    """The training images, step by step. Every random number comes from (seed, epoch, step, sample).

    Attributes:
        steps: Number of steps in an epoch.
    """

    def __init__(self, data: TrainingData, recipe: Recipe, session: Session) -> None:
        self.steps = steps_per_epoch(data, recipe)
        self._data = data
        self._recipe = recipe
        self._session = session
        self._device = session.device
        self._images = session.images
        self._targets = torch.from_numpy(data.train_targets).to(session.device)
        self._balance = balance_of(data, recipe, device=session.device)

    def of_epoch(self, epoch: int) -> list[Samples]:
        """The samples of each step, see `epoch_order`.

        All steps have nearly the same number of samples: every image is in every epoch, and no step depends on a few
        of them. Those of a step are in file order, as the pages of the cache are then read in order.
        """
        count = len(self._data.train)
        random = np.random.default_rng((self._recipe.seed, _ORDER_STREAM, epoch))
        order = epoch_order(count, random=random, weights=self._balance.sampling)
        return [samples[np.lexsort((samples, samples % count))] for samples in np.array_split(order, self.steps)]

    def prefetch(self, steps: Sequence[Samples]) -> None:
        """Announce the next steps, of which this process needs its shard."""
        shards = (samples[self._session.distributed.shard(len(samples))] for samples in steps)
        self._images.prefetch(int(sample) % len(self._data.train) for samples in shards for sample in samples)

    def draw_mix(self, step: int, count: int, *, size: int) -> Mix | None:
        """How the images of a step are mixed; None: they are not."""
        recipe = self._recipe.finetune
        if not (recipe.mixup or recipe.cutmix):
            return None
        random = np.random.default_rng((self._recipe.seed, _MIXING_STREAM, step))
        return draw_mix(count, size=size, mixup=recipe.mixup, cutmix=recipe.cutmix, random=random)

    def load(self, samples: Samples, part: slice, *, mix: Mix | None, epoch: int, size: int) -> Batch:
        """Load a part of a step's samples.

        Args:
            samples: All samples of the step.
            part: Which of them.
            mix: How all of them are mixed.
            epoch: Decides their augmentation.
            size: Side of the crops, pixels.
        """
        own = samples[part]
        if mix is None:
            return self._unmixed(own, epoch=epoch, size=size)
        # A partner may be in another part.
        needed, places = np.unique(np.concatenate([own, samples[mix.partners[part]]]), return_inverse=True)
        batch = self._unmixed(needed, epoch=epoch, size=size)
        images, partners = self._send(places).view(2, -1)
        lam, weights = self._send(mix.lam[part]), None
        if batch.weights is not None:
            weights, lam = mix_weights(batch.weights[images], batch.weights[partners], lam=lam)
        return Batch(
            pixels=mix_pixels(
                batch.pixels[images],
                batch.pixels[partners],
                blends=self._send(mix.blends[part]),
                boxes=self._send(mix.boxes[part]),
            ),
            targets=mix_targets(
                batch.targets[images],
                batch.targets[partners],
                lam=lam,
                task=self._data.task,
                class_count=self._data.class_count,
            ),
            weights=weights,
        )

    def _unmixed(self, samples: Samples, *, epoch: int, size: int) -> Batch:
        positions = samples % len(self._data.train)
        on_device = self._send(positions)
        return Batch(
            pixels=augment(
                self._images.batch(positions),
                self._data.train.aspects[positions],
                samples,
                size=size,
                settings=self._recipe.augmentation,
                seed=self._recipe.seed,
                epoch=epoch,
            ),
            targets=self._targets[on_device],
            weights=None if self._balance.loss is None else self._balance.loss[on_device],
        )

    def _send(self, array: npt.NDArray[np.generic]) -> Tensor:
        return to_device(torch.from_numpy(array), self._device)


def steps_per_epoch(data: TrainingData, recipe: Recipe) -> int:
    """Number of steps in which every training image is shown once."""
    return -(-len(data.train) // recipe.finetune.batch_size)
