"""The training loop as `trainer fit` runs it, and the smallest loop that trains the same network."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from service.cores import usable_cores
from trainer.catalog import ReadOptions, read_catalog
from trainer.data import Decoding, TrainingData, prepare
from trainer.model import Classifier, parameter_groups
from trainer.recipe import Recipe
from trainer.run.inputs import load_recipe_backbone
from trainer.training.device import autocast, training_dtype
from trainer.training.finetune import Finetuner
from trainer.training.loss import compute_loss
from trainer.training.phases import crop_size
from trainer.training.session import open_session


@dataclass(frozen=True, kw_only=True, eq=False)
class LoopSetting:
    """What both loops share.

    Attributes:
        recipe: Of the training.
        data: The images.
        device: Where the network is trained.
        size: Side of the training crops, pixels.
        passes: Passes over the images in a round.
    """

    recipe: Recipe
    data: TrainingData
    device: torch.device
    size: int
    passes: int

    def make_model(self) -> Classifier:
        """Make a new classifier: each loop has its own."""
        backbone = load_recipe_backbone(self.recipe)
        model = Classifier(backbone, class_count=self.data.class_count, dropout=self.recipe.dropout)
        moved: Classifier = model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return moved


def make_loop_setting(
    table: Path,
    *,
    root: Path,
    recipe: Recipe,
    cache: Path,
    device: torch.device,
    passes: int,
    max_bytes: int | None = None,
) -> LoopSetting:
    """Decode the images of a table with the columns path, label and split; with `max_bytes` 0 whenever needed."""
    pixels = load_recipe_backbone(recipe).pixels
    prepared = prepare(
        read_catalog(table, ReadOptions(root=root)),
        pixels,
        seed=recipe.seed,
        decoding=Decoding(cache, usable_cores(), max_bytes=max_bytes),
    )
    size = crop_size(pixels.size, recipe.finetune.crop_scale)
    return LoopSetting(recipe=recipe, data=prepared.data, device=device, size=size, passes=passes)


class RealLoop:
    """Fine-tuning, a pass is an epoch; everything in it counts, the start of an epoch too."""

    def __init__(self, setting: LoopSetting) -> None:
        session = open_session(setting.data.train, setting.device)
        self._finetuner = Finetuner(setting.make_model(), setting.data, setting.recipe, session)
        self._passes, self._count = setting.passes, len(setting.data.train)

    def round(self) -> float:
        """Return the images per second."""
        start = time.perf_counter()
        for _ in range(self._passes):
            for samples in self._finetuner.start_epoch():
                self._finetuner.train_step(samples)
            self._finetuner.finish_epoch()  # waits for the device
        return self._passes * self._count / (time.perf_counter() - start)


class SyntheticLoop:
    """As many steps a round as the real loop, all on one batch of noise: forward, backward, optimizer."""

    def __init__(self, setting: LoopSetting) -> None:
        recipe, data, device = setting.recipe, setting.data, setting.device
        model = setting.make_model().train()
        groups = parameter_groups(model, weight_decay=recipe.finetune.weight_decay)
        self._setting = setting
        self._network: Callable[[torch.Tensor], torch.Tensor] = (
            torch.compile(model) if recipe.finetune.compile else model
        )
        self._optimizer = torch.optim.AdamW(groups, lr=1e-6, betas=(0.9, 0.99), fused=True)
        self._dtype = training_dtype(device, recipe.precision)
        self._scaler = torch.amp.GradScaler(device.type, enabled=self._dtype == torch.float16)
        batch_size = min(recipe.finetune.batch_size, len(data.train))
        noise = 255 * torch.rand(batch_size, 3, setting.size, setting.size)
        self._pixels = noise.to(device).contiguous(memory_format=torch.channels_last)
        self._targets = torch.from_numpy(data.train_targets[:batch_size]).to(device)
        self._steps = setting.passes * -(-len(data.train) // batch_size)

    def round(self) -> float:
        """Return the images per second."""
        start = time.perf_counter()
        losses = [self._step() for _ in range(self._steps)]
        torch.stack(losses).tolist()  # waits for the device
        return self._steps * len(self._pixels) / (time.perf_counter() - start)

    def _step(self) -> torch.Tensor:
        recipe, task = self._setting.recipe, self._setting.data.task
        self._optimizer.zero_grad()
        with autocast(self._setting.device, self._dtype):
            logits = self._network(self._pixels)
        loss = compute_loss(logits, self._targets, task=task, smoothing=recipe.label_smoothing)
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self._scaler.step(self._optimizer)
        self._scaler.update()
        return loss.detach()
