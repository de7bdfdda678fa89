"""The second stage: the whole network learns, earlier layers slower, one cycle, a moving average of its weights."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from trainer.data import Images, TrainingData
from trainer.errors import FitError
from trainer.model import Classifier
from trainer.progress import Progress
from trainer.recipe import Recipe
from trainer.training.batches import Batches, Samples
from trainer.training.distributed import SINGLE_PROCESS, Distributed
from trainer.training.learner import Learner
from trainer.training.loss import seed_torch
from trainer.training.memory import MicroBatch, oom_as_fit_error
from trainer.training.phases import Phases
from trainer.training.schedule import one_cycle

_STAGE = 2
_MANY_SKIPPED = 0.1  # of the steps of an epoch; a scale that is being found costs a few


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


class Finetuner:
    """The second stage at some step; can be put away at any step and taken up again, on a CPU to the last bit.

    Every random number comes from (seed, epoch, step, sample), so that the weights, the optimizer's moments, the
    average, the loss scaler, the micro-batch and the number of the step are all that there is to keep.

    model    learns in place
    average  the moving average of its weights, in eval mode

    Of several processes each works on its share of every batch, and all take the same step.
    """

    def __init__(
        self,
        model: Classifier,
        data: TrainingData,
        recipe: Recipe,
        *,
        size: int,
        device: torch.device,
        processes: Distributed = SINGLE_PROCESS,
        images: Images | None = None,
    ) -> None:
        """`images` are those of `data` on the device, where they were opened before."""
        stage = recipe.finetune
        self.model = model
        self._recipe = recipe
        self._device = device
        self._processes = processes
        self._phases = Phases(stage, size=size)
        self._batches = Batches(data, recipe, device=device, images=images)
        self._learner = Learner(model, recipe, task=data.task, device=device)
        self._micro_batch = MicroBatch(-(-stage.batch_size // stage.accumulate), device=device)
        self._step = 0
        self._losses: list[Tensor] = []

    @property
    def average(self) -> Classifier:
        """The moving average of the weights, in eval mode."""
        return self._learner.average

    @property
    def done(self) -> bool:
        """Whether every epoch is over."""
        return self._step >= self.step_count

    @property
    def epochs_done(self) -> int:
        """How many are over."""
        return self._step // self._batches.count

    @property
    def step_count(self) -> int:
        """Of all epochs."""
        return self._recipe.finetune.epochs * self._batches.count

    def run_epoch(
        self,
        *,
        progress: Progress,
        on_step: Callable[[], None],
        on_event: Callable[..., None] = lambda *_, **__: None,
    ) -> Epoch:
        """Train to the end of the present epoch.

        on_step   called after every step but the last
        on_event  told, as `History.write` is: a `change` of the size or of what is frozen, a `warning` where memory
                  runs out, the network cannot be compiled or many steps are left out

        Raises FitError where the memory does not hold a single image, and on the main process where a loss is no finite
        number.
        """
        epoch, first = divmod(self._step, self._batches.count)
        batches = self._batches.of_epoch(epoch)
        progress.start(f"epoch {epoch + 1}/{self._recipe.finetune.epochs}", sum(map(len, batches)))
        progress.advance(sum(map(len, batches[:first])))
        phase = self._phases[epoch]
        if not first and self._phases.begins(epoch):
            progress.info(f"epoch {epoch + 1}: {phase}")
            on_event("change", epoch=epoch + 1, size=phase.size, frozen=sorted(phase.frozen))
        self._learner.set_training(phase.frozen)

        def say(line: str) -> None:
            progress.warn(f"{line}")
            on_event("warning", stage="finetune", step=self._step, text=line, micro_batch=self._micro_batch.size)

        start, image_count, skipped = time.perf_counter(), 0, self._learner.skipped
        for number in range(first, self._batches.count):
            samples = batches[number]
            rate, momentum = self._rate(self._step)
            loss = self.step(samples, number=self._step, epoch=epoch, rate=rate, momentum=momentum, say=say)
            self._losses.append(loss)
            self._step += 1
            image_count += len(samples)
            progress.advance(len(samples))
            if number < self._batches.count - 1:
                on_step()
        steps = range(epoch * self._batches.count, (epoch + 1) * self._batches.count)
        losses = torch.stack(self._losses).tolist()  # waits for the device
        self._require_finite(losses, epoch=epoch)
        self._losses = []
        skipped = self._learner.skipped - skipped
        if skipped > _MANY_SKIPPED * self._batches.count:
            say(
                f"{skipped} of {self._batches.count} steps were left out, since their gradients do not fit fp16; try "
                "--precision fp32 or a smaller --lr"
            )
        return Epoch(
            number=epoch + 1,
            rates=[self._rate(step)[0] for step in steps],
            momenta=[self._rate(step)[1] for step in steps],
            losses=losses,
            images_per_second=image_count / (time.perf_counter() - start),
        )

    def begin_sweep(
        self, *, momentum: float, frozen: Collection[str] = (), say: Callable[[str], None]
    ) -> Callable[[float], Tensor]:
        """The steps from the first one on, each at the rate that it is told; each gives its loss.

        frozen  groups that learn nothing
        """
        self._learner.set_training(frozen)
        batches = ((epoch, samples) for epoch in itertools.count() for samples in self._batches.of_epoch(epoch))
        waiting = enumerate(batches)

        def step(rate: float) -> Tensor:
            number, (epoch, samples) = next(waiting)
            return self.step(samples, number=number, epoch=epoch, rate=rate, momentum=momentum, say=say)

        return step

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """(tensors, facts): everything that `restore` needs.

        Raises FitError on the main process where a loss is no finite number: nobody can go on from there.
        """
        losses = [float(loss) for loss in self._losses]
        self._require_finite(losses, epoch=self.epochs_done)
        tensors, facts = self._learner.state()
        return tensors, facts | {
            "step": self._step,
            "losses": losses,
            "micro_batch": self._micro_batch.size,
        }

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Take up what `state` gave, in a stage of the same data and recipe."""
        self._learner.restore(tensors, facts)
        self._step = facts["step"]
        self._losses = [torch.tensor(loss, device=self._device) for loss in facts["losses"]]
        self._micro_batch.size = facts["micro_batch"]

    def _require_finite(self, losses: Sequence[float], *, epoch: int) -> None:
        broken = [loss for loss in losses if not math.isfinite(loss)]
        if broken and self._processes.is_main:
            other = " or --precision fp32" if self._learner.in_fp16 else ""
            raise FitError(
                f"the loss became {broken[0]} in epoch {epoch + 1}; try a tenth of the rate with --lr{other}"
            )

    def _rate(self, step: int) -> tuple[float, float]:
        return one_cycle(step, steps=self.step_count, max_lr=self._recipe.finetune.lr)

    def step(
        self,
        samples: Samples,
        *,
        number: int,
        epoch: int,
        rate: float,
        momentum: float,
        say: Callable[[str], None],
    ) -> Tensor:
        """Learn from these samples, in as few micro-batches as the memory holds; returns their mean loss, detached.

        number  of the step, of which dropout and mixing are drawn
        epoch   whose size and augmentation the samples get
        """
        size, learner = self._phases[epoch].size, self._learner
        mix = self._batches.draw_mix(number, len(samples), size=size)
        own = self._processes.shard(len(samples))
        own_seed = () if self._processes.is_main else (self._processes.rank,)
        statistics = learner.statistics()

        def gradients(parts: list[slice]) -> Tensor:
            learner.begin(statistics)
            seed_torch(self._recipe.seed, _STAGE, number, *own_seed)
            losses = [torch.zeros((), device=self._device)] if not parts else []
            for part in parts:
                place = slice(own.start + part.start, own.start + part.stop)
                batch = self._batches.load(samples, place, mix=mix, epoch=epoch, size=size)
                share = (part.stop - part.start) / len(samples)
                losses.append(learner.add_gradient(batch, share=share))
            return torch.stack(losses).sum()

        count = own.stop - own.start
        loss = learner.compiled_or_not(lambda: self._micro_batch.run(gradients, count, say=say), say=say)
        with oom_as_fit_error(self._device):
            loss = learner.combine(loss, self._processes, share=count / len(samples))
            learner.update(rate=rate, momentum=momentum)
        return loss
