"""A classifier and everything that moves it: optimizer, loss scaler, clipping, the moving average of its weights."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import torch
from torch import Tensor

from service.bundle.spec import Task
from trainer.model import PARAMETER_GROUPS, Classifier, parameter_groups, set_frozen
from trainer.recipe import Recipe
from trainer.training.batches import Batch
from trainer.training.device import autocast, training_dtype
from trainer.training.distributed import Distributed
from trainer.training.ema import Ema
from trainer.training.loss import loss_of
from trainer.training.memory import first_line, is_out_of_memory


class Learner:
    """One step: `begin`, `add_gradient` for each micro-batch, `combine`, `update`.

    A step that failed before `combine` may begin again: nothing was sent to another process yet.

    model    learns in place
    average  the moving average of its weights, in eval mode
    """

    def __init__(self, model: Classifier, recipe: Recipe, *, task: Task, device: torch.device) -> None:
        stage = recipe.finetune
        self.model = model
        self._task = task
        self._smoothing = recipe.label_smoothing
        self._clip_norm = stage.clip_norm
        self._device = device
        self._dtype = training_dtype(device, recipe.precision)
        self._ema = Ema(model, decay=stage.ema_decay)
        groups = parameter_groups(model, weight_decay=stage.weight_decay)
        self._optimizer = torch.optim.AdamW(groups, lr=stage.lr, betas=(0.9, 0.99), fused=device.type != "mps")
        self._shares = lr_multipliers(stage.spread(pretrained=not model.train_norms))
        self._scaler = torch.amp.GradScaler(device.type, enabled=self.in_fp16)
        self._scaler.scale(torch.zeros((), device=device))  # so that a process without an image has a scale too
        # The names of the weights are those of the model itself: what is compiled shares them.
        self._network: Callable[[Tensor], Tensor] = torch.compile(model) if stage.compile else model

    @property
    def average(self) -> Classifier:
        """The moving average of the weights, in eval mode."""
        return self._ema.model

    @property
    def in_fp16(self) -> bool:
        """Whether a step may be skipped, since its gradients do not fit the type."""
        return self._dtype == torch.float16

    @property
    def skipped(self) -> int:
        """How many of all steps changed no weight; waits for the device."""
        if not self.in_fp16:
            return 0
        return self._ema.updates - max((int(moments["step"]) for moments in self._optimizer.state.values()), default=0)

    def set_training(self, frozen: Collection[str]) -> None:
        """Training mode, in which the named groups learn nothing."""
        self.model.train()
        set_frozen(self.model, self._optimizer.param_groups, frozen)

    def begin(self, statistics: Mapping[str, Tensor]) -> None:
        """Forget all gradients, and take up the norms' statistics that `statistics` gave before the step."""
        self._optimizer.zero_grad()
        for name, buffer in self._statistics():
            buffer.copy_(statistics[name])

    def statistics(self) -> dict[str, Tensor]:
        """A copy of what a pass forward changes: nothing where the norms are frozen."""
        return {name: buffer.clone() for name, buffer in self._statistics()}

    def compiled_or_not(self, attempt: Callable[[], Tensor], *, say: Callable[[str], None]) -> Tensor:
        """What `attempt` gives; where the compiled network fails in it, forward or backward, without one from then on.

        attempt  begins anew each time
        say      told in one line of the failure
        """
        try:
            return attempt()
        except RuntimeError as error:
            if self._network is self.model or is_out_of_memory(error):
                raise
            reason = first_line(error)
        say(f"going on without --compile, which failed here: {reason}")
        self._network = self.model
        return attempt()

    def add_gradient(self, batch: Batch, *, share: float) -> Tensor:
        """Add `share` times the gradient of the mean loss over a batch; returns that part of the loss, detached."""
        with autocast(self._device, self._dtype):
            logits = self._network(batch.pixels)
        loss = share * loss_of(logits, batch.targets, task=self._task, smoothing=self._smoothing, weights=batch.weights)
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def combine(self, loss: Tensor, processes: Distributed, *, share: float) -> Tensor:
        """Sum the gradients and the loss over all processes, and average the norms' statistics; returns the loss.

        loss   of this process's part of the batch, as `add_gradient` gave it
        share  that part's share of the batch
        """
        if processes.world_size == 1:
            return loss
        gradients = []
        for weight in self.model.parameters():
            if weight.requires_grad:
                weight.grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
                gradients.append(weight.grad)
        # Not while the gradients are computed, as DistributedDataParallel does it: a process that runs out of memory
        # midway begins its part again, with smaller micro-batches, and the others need not know.
        statistics = [buffer for _, buffer in self._statistics() if buffer.is_floating_point()]
        loss = loss.clone()
        combined = [*gradients, *statistics, loss]
        with torch.no_grad():
            for buffer in statistics:
                buffer.mul_(share)
            sums = torch.cat([tensor.reshape(-1) for tensor in combined])
            processes.all_reduce(sums)
            for tensor, total in zip(combined, torch.split(sums, [tensor.numel() for tensor in combined]), strict=True):
                tensor.copy_(total.view(tensor.shape))
        return loss

    def update(self, *, rate: float, momentum: float) -> None:
        """Take the step that the gradients say; `rate` is the head's, `momentum` is Adam's beta1."""
        for group in self._optimizer.param_groups:
            group.update(lr=rate * self._shares[group["name"]], betas=(momentum, 0.99))
        if self._clip_norm:
            self._scaler.unscale_(self._optimizer)
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self._clip_norm)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self._ema.update()

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """(tensors, facts): everything that `restore` needs."""
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        tensors |= {f"average.{name}": tensor for name, tensor in self.average.state_dict().items()}
        for number, moments in self._optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{name}": tensor for name, tensor in moments.items()}
        return tensors, {"updates": self._ema.updates, "scaler": self._scaler.state_dict()}

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Take up what `state` gave."""
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
        self._ema.updates = facts["updates"]
        if self._scaler.is_enabled() and facts["scaler"]:  # none where the precision was another
            self._scaler.load_state_dict(facts["scaler"])

    def _statistics(self) -> list[tuple[str, Tensor]]:
        return list(self.model.body.named_buffers()) if self.model.train_norms else []


def lr_multipliers(spread: float) -> dict[str, float]:
    """Each parameter group's share of the peak rate: geometric, 1 / spread for the earliest layers, 1 for the head."""
    last = len(PARAMETER_GROUPS) - 1
    return {name: spread ** (position / last - 1) for position, name in enumerate(PARAMETER_GROUPS)}


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
