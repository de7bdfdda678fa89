"""The second stage: the whole network learns, earlier layers slower, one cycle, a moving average of its weights."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

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


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One pass over the training images.

    rates, momenta, losses  of each step: the head's rate, Adam's beta1, the mean training loss of the batch (with
                            augmentation, dropout and label smoothing)
    images_per_second       of the steps since the process started or the epoch began
    """

    number: int
    rates: list[float]
    momenta: list[float]
    losses: list[float]
    images_per_second: float


class WholeStage:
    """The second stage at some step; can be put away at any step and taken up again, on a CPU to the last bit.

    Every random number comes from (seed, epoch, step, sample), so that the weights, the optimizer's moments, the
    average and the number of the step are all that there is to keep.

    model    learns in place
    average  the moving average of its weights, in eval mode
    """

    def __init__(
        self, model: Classifier, data: TrainingData, recipe: Recipe, *, size: int, device: torch.device
    ) -> None:
        stage = recipe.whole
        self.model = model
        self._ema = Ema(model, decay=stage.ema_decay)
        self._data = data
        self._recipe = recipe
        self._size = size
        self._device = device
        self._batch_count = -(-len(data.train) // stage.batch_size)
        self._targets = torch.from_numpy(data.train_targets).to(device)
        groups = parameter_groups(model, weight_decay=stage.weight_decay)
        self._optimizer = torch.optim.AdamW(groups, lr=stage.rate, betas=(0.9, 0.99), fused=device.type != "mps")
        self._shares = rate_shares(1.0 if model.train_norms else stage.rate_spread)
        self._step = 0
        self._losses: list[Tensor] = []

    @property
    def average(self) -> Classifier:
        """The moving average of the weights, in eval mode."""
        return self._ema.model

    @property
    def done(self) -> bool:
        """Whether every epoch is over."""
        return self._step >= self.step_count

    @property
    def step_count(self) -> int:
        """Of all epochs."""
        return self._recipe.whole.epochs * self._batch_count

    def run_epoch(self, *, progress: Progress, on_step: Callable[[], None]) -> Epoch:
        """Train to the end of the present epoch; `on_step` is called after every step but the last."""
        epoch, first = divmod(self._step, self._batch_count)
        order = np.random.default_rng((self._recipe.seed, _STAGE, epoch)).permutation(len(self._data.train))
        # Of nearly equal size: every image in every epoch, and no step that hangs on a few of them.
        batches = np.array_split(order, self._batch_count)
        progress.start(f"epoch {epoch + 1}/{self._recipe.whole.epochs}", len(order))
        progress.advance(sum(len(batch) for batch in batches[:first]))
        self.model.train()
        start, image_count = time.perf_counter(), 0
        for number in range(first, self._batch_count):
            # In file order: pages of the cache are read as they lie.
            positions = np.sort(batches[number])
            self._losses.append(self._train(positions, epoch))
            self._step += 1
            image_count += len(positions)
            progress.advance(len(positions))
            if number < self._batch_count - 1:
                on_step()
        steps = range(epoch * self._batch_count, (epoch + 1) * self._batch_count)
        losses = torch.stack(self._losses).tolist()  # waits for the device
        self._losses = []
        return Epoch(
            number=epoch + 1,
            rates=[self._rate(step)[0] for step in steps],
            momenta=[self._rate(step)[1] for step in steps],
            losses=losses,
            images_per_second=image_count / (time.perf_counter() - start),
        )

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """(tensors, facts): everything that `restore` needs."""
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        tensors |= {f"average.{name}": tensor for name, tensor in self.average.state_dict().items()}
        for number, moments in self._optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{name}": tensor for name, tensor in moments.items()}
        return tensors, {"step": self._step, "losses": [float(loss) for loss in self._losses]}

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Take up what `state` gave, in a stage of the same data and recipe."""
        self.model.load_state_dict(_part(tensors, "model."))
        self.average.load_state_dict(_part(tensors, "average."))
        parameters = [parameter for group in self._optimizer.param_groups for parameter in group["params"]]
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in _part(tensors, "optimizer.").items():
            number, _, key = name.partition(".")
            parameter = parameters[int(number)]
            # The fused step walks a parameter and its moments side by side in memory: they must lie alike.
            like = torch.empty_like(parameter).copy_(tensor) if tensor.shape == parameter.shape else tensor
            moments.setdefault(int(number), {})[key] = like
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": moments, "param_groups": groups})
        self._step = facts["step"]
        self._ema.updates = self._step
        self._losses = [torch.tensor(loss, device=self._device) for loss in facts["losses"]]

    def _rate(self, step: int) -> tuple[float, float]:
        return one_cycle(step, steps=self.step_count, peak_rate=self._recipe.whole.rate)

    def _train(self, positions: np.ndarray[Any, np.dtype[np.int64]], epoch: int) -> Tensor:
        """One step on the images at these positions; returns their mean loss."""
        rate, momentum = self._rate(self._step)
        for group in self._optimizer.param_groups:
            group.update(lr=rate * self._shares[group["name"]], betas=(momentum, 0.99))
        data, recipe = self._data, self._recipe
        pixels = augment(
            torch.from_numpy(data.train.batch(positions)).to(self._device),
            data.train.aspects[positions],
            positions,
            size=self._size,
            settings=recipe.augmentation,
            seed=recipe.seed,
            epoch=epoch,
        )
        seed_torch(recipe.seed, _STAGE, self._step)
        with training_autocast(self._device):
            logits = self.model(pixels)
        loss = loss_of(logits, self._targets[positions], task=data.task, smoothing=recipe.label_smoothing)
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        self._ema.update(self.model)
        return loss.detach()


def rate_shares(spread: float) -> dict[str, float]:
    """Each parameter group's share of the peak rate: geometric, 1 / spread for the earliest layers, 1 for the head."""
    last = len(GROUP_NAMES) - 1
    return {name: spread ** (position / last - 1) for position, name in enumerate(GROUP_NAMES)}


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
