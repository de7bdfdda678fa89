"""From the number of a step to what the network is shown in it: drawn, augmented and mixed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from trainer.data import Images, TrainingData, augment, open_images, to_device
from trainer.recipe import Recipe
from trainer.training.balance import balance_of, epoch_order
from trainer.training.mixing import Mix, draw_mix, mix_pixels, mix_targets, mix_weights

_STAGE, _MIXING = 2, 3

Samples = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """What a network learns from at once, on the device.

    pixels   float32 [B, 3, size, size] in 0..255, channels last
    targets  int64 [B], or float32 [B, K] for multilabel and for mixed images
    weights  float32 [B], how much each image counts; None where all count 1
    """

    pixels: Tensor
    targets: Tensor
    weights: Tensor | None


class Batches:
    """The training images of a fit, step by step; every random number comes from (seed, epoch, step, sample).

    count  of the steps of an epoch
    """

    def __init__(
        self, data: TrainingData, recipe: Recipe, *, device: torch.device, images: Images | None = None
    ) -> None:
        """`images` are those of `data` on the device, where they were opened before."""
        self._data = data
        self._recipe = recipe
        self._device = device
        self._images = open_images(data.train, device) if images is None else images
        self._targets = torch.from_numpy(data.train_targets).to(device)
        self._balance = balance_of(data, recipe, device=device)
        self.count = -(-len(data.train) // recipe.finetune.batch_size)

    def of_epoch(self, epoch: int) -> list[Samples]:
        """The samples (see `epoch_order`) of each step, each step's in file order."""
        count = len(self._data.train)
        random = np.random.default_rng((self._recipe.seed, _STAGE, epoch))
        order = epoch_order(count, random=random, weights=self._balance.drawing)
        # Of nearly equal size: every image in every epoch, and no step that hangs on a few of them. In file order:
        # pages of the cache are read as they lie.
        return [batch[np.lexsort((batch, batch % count))] for batch in np.array_split(order, self.count)]

    def draw_mix(self, step: int, count: int, *, size: int) -> Mix | None:
        """How the images of a step are mixed; None where they are not."""
        stage = self._recipe.finetune
        if not (stage.mixup or stage.cutmix):
            return None
        random = np.random.default_rng((self._recipe.seed, _MIXING, step))
        return draw_mix(count, size=size, mixup=stage.mixup, cutmix=stage.cutmix, random=random)

    def load(self, samples: Samples, part: slice, *, mix: Mix | None, epoch: int, size: int) -> Batch:
        """Part of a step's samples as they are shown; `mix` is that of the whole step."""
        own = samples[part]
        if mix is None:
            return self._plain(own, epoch=epoch, size=size)
        # A partner may stand in another part.
        needed, places = np.unique(np.concatenate([own, samples[mix.partners[part]]]), return_inverse=True)
        batch = self._plain(needed, epoch=epoch, size=size)
        first, second = self._send(places).view(2, -1)
        shares, weights = self._send(mix.shares[part]), None
        if batch.weights is not None:
            weights, shares = mix_weights(batch.weights[first], batch.weights[second], shares=shares)
        return Batch(
            pixels=mix_pixels(
                batch.pixels[first],
                batch.pixels[second],
                blends=self._send(mix.blends[part]),
                boxes=self._send(mix.boxes[part]),
            ),
            targets=mix_targets(
                batch.targets[first],
                batch.targets[second],
                shares=shares,
                task=self._data.task,
                class_count=self._data.class_count,
            ),
            weights=weights,
        )

    def _plain(self, samples: Samples, *, epoch: int, size: int) -> Batch:
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
            weights=None if self._balance.counting is None else self._balance.counting[on_device],
        )

    def _send(self, array: npt.NDArray[np.generic]) -> Tensor:
        return to_device(torch.from_numpy(array), self._device)
