"""A classifier and everything that updates it: optimizer, gradient scaler, clipping, moving average."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import torch
from torch import Tensor

from service.bundle.spec import Task
from trainer.model import Classifier, parameter_groups, set_frozen
from trainer.recipe import PARAMETER_GROUPS, Recipe
from trainer.training.batches import Batch
from trainer.training.device import autocast, training_dtype
from trainer.training.distributed import Distributed
from trainer.training.ema import Ema
from trainer.training.loss import compute_loss
from trainer.training.norms import running_statistics_for_single_values


class Learner:
    """One step is `start_step`, `loss` and `backward` for each micro-batch, `all_reduce`, `update`.

    A step that failed before `all_reduce` may start again: nothing was sent to another process yet.

    Attributes:
        model: Trained in place.
    """

    def __init__(
        self, model: Classifier, recipe: Recipe, *, task: Task, device: torch.device, lr_spread: float
    ) -> None:
        stage = recipe.finetune
        self.model = model
        self._task = task
        self._smoothing = recipe.label_smoothing
        self._clip_norm = stage.clip_norm
        self._device = device
        self._dtype = training_dtype(device, recipe.precision)
        self._ema = Ema(model, decay=stage.ema_decay)
        groups = parameter_groups(model, weight_decay=stage.weight_decay)
        self._optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.99), fused=device.type != "mps")
        self._lr_multipliers = lr_multipliers(lr_spread)
        self._scaler = torch.amp.GradScaler(device.type, enabled=self.in_fp16)
        self._scaler.scale(torch.zeros((), device=device))  # so that a process without an image has a scale too
        # The names of the weights are those of the model: the compiled network shares them.
        self._network: Callable[[Tensor], Tensor] = torch.compile(model) if stage.compile else model

    @property
    def ema(self) -> Classifier:
        """The moving average of the weights, in eval mode."""
        return self._ema.model

    @property
    def in_fp16(self) -> bool:
        """Whether a step may be skipped because its gradients overflow."""
        return self._dtype == torch.float16

    @property
    def is_compiled(self) -> bool:
        """Whether a compiled network is trained."""
        return self._network is not self.model

    @property
    def skipped_steps(self) -> int:
        """Number of steps so far that changed no weight; waits for the device."""
        if not self.in_fp16:
            return 0
        return self._ema.updates - max((int(moments["step"]) for moments in self._optimizer.state.values()), default=0)

    def train(self, frozen: Collection[str]) -> None:
        """Switch to training mode, with these parameter groups frozen."""
        self.model.train()
        set_frozen(self.model, self._optimizer.param_groups, frozen)

    def disable_compile(self) -> None:
        """Train the network as it is from now on."""
        self._network = self.model

    def norm_statistics(self) -> dict[str, Tensor]:
        """A copy of what a forward pass changes: the statistics of the batch norms; empty if they are frozen."""
        return {name: buffer.clone() for name, buffer in self._statistics()}

    def start_step(self, statistics: Mapping[str, Tensor]) -> None:
        """Clear the gradients, and restore the statistics that `norm_statistics` gave before the step."""
        self._optimizer.zero_grad()
        for name, buffer in self._statistics():
            buffer.copy_(statistics[name])

    def loss(self, batch: Batch) -> Tensor:
        """Mean loss of a batch."""
        with autocast(self._device, self._dtype):
            if len(batch.pixels) > 1 or not self.model.train_norms:
                logits = self._network(batch.pixels)
            else:
                with running_statistics_for_single_values(self.model):
                    logits = self.model(batch.pixels)
        return compute_loss(logits, batch.targets, task=self._task, smoothing=self._smoothing, weights=batch.weights)

    def scale(self, loss: Tensor) -> Tensor:
        """The loss whose gradients fit the number format."""
        return self._scaler.scale(loss)

    def all_reduce(self, loss: Tensor, distributed: Distributed, *, fraction: float) -> Tensor:
        """Sum the gradients and the loss over all processes, and average the statistics of the norms.

        This happens after the backward pass, not during it as in DistributedDataParallel: a process that runs out of
        memory starts its part again with smaller micro-batches, and the others need not know.

        Args:
            loss: Of the part of the batch that this process has.
            distributed: The processes.
            fraction: That part's fraction of the batch.

        Returns:
            The loss of the whole batch.
        """
        if distributed.world_size == 1:
            return loss
        gradients = []
        for weight in self.model.parameters():
            if weight.requires_grad:
                weight.grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
                gradients.append(weight.grad)
        statistics = [buffer for _, buffer in self._statistics() if buffer.is_floating_point()]
        loss = loss.clone()
        summed = [*gradients, *statistics, loss]
        with torch.no_grad():
            for buffer in statistics:
                buffer.mul_(fraction)
            sums = torch.cat([tensor.reshape(-1) for tensor in summed])
            distributed.all_reduce(sums)
            for tensor, total in zip(summed, torch.split(sums, [tensor.numel() for tensor in summed]), strict=True):
                tensor.copy_(total.view(tensor.shape))
        return loss

    def update(self, *, lr: float, momentum: float) -> None:
        """Change the weights. `lr` is the head's, `momentum` is Adam's beta1."""
        for group in self._optimizer.param_groups:
            group.update(lr=lr * self._lr_multipliers[group["name"]], betas=(momentum, 0.99))
        if self._clip_norm:
            self._scaler.unscale_(self._optimizer)
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self._clip_norm)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self._ema.update()

    def state_dict(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and JSON values: everything that `load_state_dict` needs."""
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        tensors |= {f"ema.{name}": tensor for name, tensor in self.ema.state_dict().items()}
        for number, moments in self._optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{name}": tensor for name, tensor in moments.items()}
        return tensors, {"ema_updates": self._ema.updates, "scaler": self._scaler.state_dict()}

    def load_state_dict(self, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
        """Restore what `state_dict` gave."""
        self.model.load_state_dict(_with_prefix(tensors, "model."))
        self.ema.load_state_dict(_with_prefix(tensors, "ema."))
        parameters = [parameter for group in self._optimizer.param_groups for parameter in group["params"]]
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in _with_prefix(tensors, "optimizer.").items():
            number, _, key = name.partition(".")
            parameter = parameters[int(number)]
            # The fused step walks through a parameter and its moments side by side: their memory layouts must agree.
            like = torch.empty_like(parameter).copy_(tensor) if tensor.shape == parameter.shape else tensor
            moments.setdefault(int(number), {})[key] = like
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": moments, "param_groups": groups})
        self._ema.updates = values["ema_updates"]
        if self._scaler.is_enabled() and values["scaler"]:  # empty if the precision was another one
            self._scaler.load_state_dict(values["scaler"])

    def _statistics(self) -> list[tuple[str, Tensor]]:
        return list(self.model.body.named_buffers()) if self.model.train_norms else []


def lr_multipliers(spread: float) -> dict[str, float]:
    """Learning rate of each parameter group as a fraction of the head's: geometric from 1 / spread to 1."""
    last = len(PARAMETER_GROUPS) - 1
    return {name: spread ** (position / last - 1) for position, name in enumerate(PARAMETER_GROUPS)}


def _with_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
