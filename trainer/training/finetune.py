"""Second stage: the whole network is trained, earlier layers with a lower learning rate, in one cycle."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from trainer.data import TrainingData
from trainer.errors import FitError
from trainer.model import Classifier
from trainer.recipe import Recipe
from trainer.training.batches import Batches, Samples, steps_per_epoch
from trainer.training.learner import Learner
from trainer.training.loss import seed_torch
from trainer.training.memory import MicroBatch, first_line, is_out_of_memory, oom_as_fit_error
from trainer.training.phases import Phases
from trainer.training.schedule import OneCycle
from trainer.training.session import Session

_DROPOUT_STREAM = 2
_MANY_SKIPPED = 0.1  # of the steps of an epoch; the gradient scaler skips a few until it has found its scale


@dataclass(frozen=True, kw_only=True)
class EpochResult:
    """One pass over the training images.

    Attributes:
        number: From 1.
        lrs: Learning rate of the head in each step.
        momenta: Adam's beta1 in each step.
        losses: Mean training loss of each step's batch: with augmentation, dropout and label smoothing.
        images_per_second: Of the steps since the epoch or this process started.
    """

    number: int
    lrs: list[float]
    momenta: list[float]
    losses: list[float]
    images_per_second: float


class Finetuner:
    """Fine-tuning, at some step. It can be saved after any step and continued, on a CPU with bit for bit equal weights.

    Every random number comes from (seed, epoch, step, sample), so that the weights, the optimizer's moments, the moving
    average, the gradient scaler, the micro-batch and the number of the step are all there is to save.

    Of several processes each handles its shard of every batch, and all take the same step.

    Attributes:
        model: Trained in place.
        steps_done: Of all epochs.
    """

    def __init__(self, model: Classifier, data: TrainingData, recipe: Recipe, session: Session) -> None:
        stage = recipe.finetune
        self.model = model
        self.steps_done = 0
        self._recipe = recipe
        self._session = session
        spread = lr_spread(model, data, recipe)
        with oom_as_fit_error(session.device):
            self._learner = Learner(model, recipe, task=data.task, device=session.device, lr_spread=spread)
            self._batches = Batches(data, recipe, session)
        self._phases = Phases(stage, data)
        self._micro_batch = MicroBatch(-(-stage.batch_size // stage.accumulate), device=session.device)
        self._schedule = OneCycle(steps=stage.epochs * self._batches.steps, max_lr=max_lr(model, data, recipe))
        self._losses: list[Tensor] = []  # of the epoch in progress
        self._images_done = 0  # since the epoch or this process started
        self._skipped_before = 0
        self._started = 0.0

    @property
    def ema(self) -> Classifier:
        """The moving average of the weights, in eval mode: what is validated and kept."""
        return self._learner.ema

    @property
    def steps(self) -> int:
        """Number of steps of all epochs."""
        return self._schedule.steps

    @property
    def max_lr(self) -> float:
        """Maximum learning rate of the head."""
        return self._schedule.max_lr

    @property
    def epochs_done(self) -> int:
        """Number of complete epochs."""
        return self.steps_done // self._batches.steps

    @property
    def is_done(self) -> bool:
        """Whether every epoch is complete."""
        return self.steps_done >= self.steps

    @property
    def is_within_epoch(self) -> bool:
        """Whether the epoch in progress has had a step and needs another one."""
        return self.steps_done % self._batches.steps > 0

    def start_epoch(self) -> list[Samples]:
        """Start the next epoch, or continue the one that was saved; returns the samples of each step that is left."""
        epoch, first = divmod(self.steps_done, self._batches.steps)
        steps = self._batches.of_epoch(epoch)
        progress, phase = self._session.progress, self._phases[epoch]
        progress.start(f"epoch {epoch + 1}/{self._recipe.finetune.epochs}", sum(map(len, steps)))
        progress.advance(sum(map(len, steps[:first])))
        if not first and self._phases.changes_at(epoch):
            progress.info(f"epoch {epoch + 1}: {phase}")
            self._session.history.event("change", epoch=epoch + 1, size=phase.size, frozen=sorted(phase.frozen))
        self._learner.train(phase.frozen)
        self._images_done, self._skipped_before = 0, self._learner.skipped_steps
        self._started = time.perf_counter()
        self._batches.prefetch(steps[first:])
        return steps[first:]

    def train_step(self, samples: Samples) -> None:
        """Take the next step.

        Raises:
            FitError: The memory cannot hold a single image.
        """
        number = self.steps_done
        lr, momentum = self._schedule.at(number)
        loss = self.take_step(samples, number=number, epoch=self.epochs_done, lr=lr, momentum=momentum)
        self._losses.append(loss)
        self.steps_done += 1
        self._images_done += len(samples)
        self._session.progress.advance(len(samples))

    def finish_epoch(self) -> EpochResult:
        """Finish an epoch after its last step; waits for the device.

        Raises:
            FitError: A loss is not finite (on the main process).
        """
        per_epoch, number = self._batches.steps, self.epochs_done
        losses = torch.stack(self._losses).tolist()
        self._require_finite(losses, epoch=number)
        self._losses = []
        skipped = self._learner.skipped_steps - self._skipped_before
        if skipped > _MANY_SKIPPED * per_epoch:
            self._warn(
                f"{skipped} of {per_epoch} steps were skipped because their gradients overflow in fp16; try "
                "`precision='fp32'` or a smaller `lr`"
            )
        schedule = [self._schedule.at(step) for step in range((number - 1) * per_epoch, number * per_epoch)]
        return EpochResult(
            number=number,
            lrs=[lr for lr, _ in schedule],
            momenta=[momentum for _, momentum in schedule],
            losses=losses,
            images_per_second=self._images_done / (time.perf_counter() - self._started),
        )

    def take_step(self, samples: Samples, *, number: int, epoch: int, lr: float, momentum: float) -> Tensor:
        """Train on these samples, in as few micro-batches as the memory allows.

        Args:
            samples: All samples of the step, on all processes.
            number: Number of the step: dropout and mixing are drawn from it.
            epoch: Decides the size and augmentation of the images.
            lr: Learning rate of the head.
            momentum: Adam's beta1.

        Returns:
            Their mean loss, detached.
        """
        learner, distributed = self._learner, self._session.distributed
        size = self._phases[epoch].size
        mix = self._batches.draw_mix(number, len(samples), size=size)
        shard = distributed.shard(len(samples))
        rank = () if distributed.is_main else (distributed.rank,)
        statistics = learner.norm_statistics()

        def accumulate_gradients(parts: list[slice]) -> Tensor:
            learner.start_step(statistics)
            seed_torch(self._recipe.seed, _DROPOUT_STREAM, number, *rank)
            losses = [torch.zeros((), device=self._session.device)] if not parts else []
            for part in parts:
                place = slice(shard.start + part.start, shard.start + part.stop)
                batch = self._batches.load(samples, place, mix=mix, epoch=epoch, size=size)
                loss = learner.loss(batch) * ((part.stop - part.start) / len(samples))
                learner.scale(loss).backward()  # type: ignore[no-untyped-call]
                losses.append(loss.detach())
            return torch.stack(losses).sum()

        count = shard.stop - shard.start
        compile_error = None
        try:
            loss = self._micro_batch.run(accumulate_gradients, count, warn=self._warn)
        except RuntimeError as error:
            if not learner.is_compiled or is_out_of_memory(error):
                raise
            compile_error = first_line(error)
        if compile_error is not None:  # not in the handler: the error refers to the tensors of the failed attempt
            learner.disable_compile()
            self._warn(f"continuing without `compile`, which failed here: {compile_error}")
            loss = self._micro_batch.run(accumulate_gradients, count, warn=self._warn)
        with oom_as_fit_error(self._session.device):
            loss = learner.all_reduce(loss, distributed, fraction=count / len(samples))
            learner.update(lr=lr, momentum=momentum)
        return loss

    def start_sweep(self, *, momentum: float, frozen: Collection[str] = ()) -> Callable[[float], Tensor]:
        """Return a function that takes the next step at a learning rate, and returns its loss.

        Args:
            momentum: Adam's beta1.
            frozen: Parameter groups that are not trained.
        """
        self._learner.train(frozen)
        samples_by_step = enumerate(self._endless_steps())

        def step(lr: float) -> Tensor:
            number, (epoch, samples) = next(samples_by_step)
            return self.take_step(samples, number=number, epoch=epoch, lr=lr, momentum=momentum)

        return step

    def _endless_steps(self) -> Iterator[tuple[int, Samples]]:
        """Epoch and samples of each step."""
        for epoch in itertools.count():
            steps = self._batches.of_epoch(epoch)
            self._batches.prefetch(steps)
            yield from ((epoch, samples) for samples in steps)

    def state_dict(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and JSON values: everything that `load_state_dict` needs.

        Raises:
            FitError: A loss is not finite (on the main process): no training can continue from there.
        """
        losses = [float(loss) for loss in self._losses]
        self._require_finite(losses, epoch=self.epochs_done + 1)
        tensors, values = self._learner.state_dict()
        return tensors, values | {"step": self.steps_done, "losses": losses, "micro_batch": self._micro_batch.size}

    def load_state_dict(self, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
        """Restore what `state_dict` gave, in a Finetuner with the same data and recipe."""
        self._learner.load_state_dict(tensors, values)
        self.steps_done = values["step"]
        self._losses = [torch.tensor(loss, device=self._session.device) for loss in values["losses"]]
        self._micro_batch.size = values["micro_batch"]

    def _warn(self, text: str) -> None:
        self._session.warn(text, stage="finetune", step=self.steps_done, micro_batch=self._micro_batch.size)

    def _require_finite(self, losses: Sequence[float], *, epoch: int) -> None:
        bad = [loss for loss in losses if not math.isfinite(loss)]
        if bad and self._session.distributed.is_main:
            fp32 = " or `precision='fp32'`" if self._learner.in_fp16 else ""
            raise FitError(f"the loss became {bad[0]} in epoch {epoch}; try a tenth of the learning rate, `lr`{fp32}")


def max_lr(model: Classifier, data: TrainingData, recipe: Recipe) -> float:
    """Maximum learning rate of the head in the fine-tuning of a recipe: see `FinetuneRecipe.max_lr`."""
    return recipe.finetune.max_lr(steps=_steps(data, recipe), after_head=_is_after_head(model, recipe))


def lr_spread(model: Classifier, data: TrainingData, recipe: Recipe) -> float:
    """Learning rate of the head divided by that of the earliest layers: see `FinetuneRecipe.spread`."""
    return recipe.finetune.spread(
        pretrained=not model.train_norms, steps=_steps(data, recipe), after_head=_is_after_head(model, recipe)
    )


def _steps(data: TrainingData, recipe: Recipe) -> int:
    return recipe.finetune.epochs * steps_per_epoch(data, recipe)


def _is_after_head(model: Classifier, recipe: Recipe) -> bool:
    return recipe.head.epochs > 0 and not model.train_norms
