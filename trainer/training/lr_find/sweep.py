"""Sweeps: the learning rate grows with every step until the loss diverges (Smith 2015, arXiv:1506.01186)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from trainer.errors import FitError
from trainer.progress import Progress
from trainer.training.lr_find.restoring import restoring_state

# Takes the next training step, at a learning rate; returns its mean loss.
TrainStep = Callable[[float], Tensor]
# The number of a sweep -> its training steps, with an optimizer of its own.
StartSweep = Callable[[int], TrainStep]

# fast.ai's smoothing, for its 100 steps over eight decades, and what its plot leaves out.
_SMOOTHING = 0.98
_STEPS_PER_DECADE = 12.5
_SKIPPED_AT_START = 0.1
_SKIPPED_AT_END = 0.05
_DIVERGED = 4.0  # times the lowest loss
_TIMED_STEPS = 3
_ENOUGH_TIMING_S = 1.0
_FEWEST_STEPS = 18
_FEWEST_POINTS = 5


@dataclass(frozen=True, kw_only=True)
class SweepPlan:
    """How a model is swept. The defaults are fast.ai's, three times.

    Attributes:
        lr_min: First learning rate.
        lr_max: Last learning rate; between the two they grow geometrically.
        steps: Of each sweep, at most.
        sweeps: Number of sweeps, each from the same weights, on batches of its own.
        budget_s: About how long all of them may take; None: any time. The time of the first steps decides how many
            steps there are, the time of a sweep whether there is another one.
    """

    lr_min: float = 1e-7
    lr_max: float = 10.0
    steps: int = 100
    sweeps: int = 3
    budget_s: float | None = None

    @property
    def smoothing(self) -> float:
        """What the average keeps of itself in each step: over a decade of learning rates always 0.78."""
        steps_per_decade = self.steps / math.log10(self.lr_max / self.lr_min)
        return float(_SMOOTHING ** (_STEPS_PER_DECADE / steps_per_decade))

    def within(self, seconds: float, *, step_s: float) -> SweepPlan:
        """Halve the steps until they take no longer than `seconds`, or would be too few."""
        steps = self.steps
        while steps * self.sweeps * step_s > seconds and steps // 2 >= _FEWEST_STEPS:
            steps //= 2
        return replace(self, steps=steps)


@dataclass(frozen=True, kw_only=True, eq=False)
class SweepCurve:
    """What the sweeps measured, as fast.ai's plot shows it: without the first tenth and the last twentieth.

    Attributes:
        lrs: float64 [n], rising.
        losses: float64 [n], the median of the sweeps; each is the exponential average of the training loss.
        lowest: float64 [n], the lowest of the sweeps.
        highest: float64 [n], the highest of the sweeps.
        diverged: Whether a sweep ended before its last learning rate because its loss diverged.
        seconds: Wall time.
    """

    lrs: npt.NDArray[np.float64]
    losses: npt.NDArray[np.float64]
    lowest: npt.NDArray[np.float64]
    highest: npt.NDArray[np.float64]
    diverged: bool
    seconds: float

    @property
    def ceiling(self) -> float:
        """The highest loss that is worth drawing: the fall of the loss matters, not how far it diverges after that."""
        first, lowest = float(self.losses[0]), float(self.lowest.min())
        return min(float(self.highest.max()), max(first + 0.35 * (first - lowest), 1.35 * first))


def sweep(model: nn.Module, starts: Sequence[StartSweep], plan: SweepPlan, *, progress: Progress) -> SweepCurve:
    """Sweep a model several times; then the model and torch's random numbers are restored (`restoring_state`).

    The loss is smoothed and debiased as in fast.ai. A sweep ends if that is not finite or over four times its lowest.
    The curve ends at the end of the shortest sweep.

    Args:
        model: As the stage would start with it.
        starts: The way to train, and cheaper ones: the first of them is used whose shortest sweep fits into the budget.
        plan: How.
        progress: Shows the steps.

    Raises:
        FitError: The loss diverged at once.
    """
    started = time.perf_counter()
    start, plan = _fit_into_budget(model, starts, plan)
    lrs = np.geomspace(plan.lr_min, plan.lr_max, plan.steps)
    progress.start("learning rate sweep", plan.sweeps * plan.steps, "steps")
    found: list[npt.NDArray[np.float64]] = []
    for number in range(plan.sweeps):
        with_another_s = (time.perf_counter() - started) * (number + 1) / max(1, number)
        if found and plan.budget_s is not None and with_another_s > plan.budget_s:
            break
        with restoring_state(model):
            found.append(_smoothed_losses(start(number), lrs, plan.smoothing, progress))
    length = min(map(len, found))
    shown = slice(round(_SKIPPED_AT_START * plan.steps), length - round(_SKIPPED_AT_END * plan.steps))
    if shown.stop - shown.start < _FEWEST_POINTS:
        raise FitError(
            f"the loss diverged within {length} steps of a learning rate sweep, at {lrs[length]:.0e}; "
            "are the weights right?"
        )
    losses = np.stack([each[shown] for each in found])
    return SweepCurve(
        lrs=lrs[shown],
        losses=np.median(losses, axis=0),
        lowest=losses.min(axis=0),
        highest=losses.max(axis=0),
        diverged=length < plan.steps,
        seconds=time.perf_counter() - started,
    )


def _fit_into_budget(model: nn.Module, starts: Sequence[StartSweep], plan: SweepPlan) -> tuple[StartSweep, SweepPlan]:
    if plan.budget_s is None:
        return starts[0], plan
    started = time.perf_counter()
    for start in starts:
        step_s = _time_step(model, start)
        left_s = plan.budget_s - (time.perf_counter() - started)
        if plan.within(0.0, step_s=step_s).steps * step_s <= left_s:
            break
    return start, plan.within(left_s, step_s=step_s)


def _smoothed_losses(
    step: TrainStep, lrs: npt.NDArray[np.float64], smoothing: float, progress: Progress
) -> npt.NDArray[np.float64]:
    """The smoothed loss of each step of one sweep, until it ended."""
    average, lowest = 0.0, math.inf
    smoothed: list[float] = []
    for number, lr in enumerate(lrs):
        average = smoothing * average + (1 - smoothing) * float(step(lr))
        debiased = average / (1 - smoothing ** (number + 1))
        if not math.isfinite(debiased) or debiased > _DIVERGED * lowest:
            break
        smoothed.append(debiased)
        lowest = min(lowest, debiased)
        progress.advance()
    return np.array(smoothed)


def _time_step(model: nn.Module, start: StartSweep) -> float:
    """Seconds of a step: the mean of three, or fewer slow ones. The first step sets up memory and does not count."""
    with restoring_state(model):
        step = start(0)
        float(step(0.0))
        started, count = time.perf_counter(), 0
        while count < _TIMED_STEPS and time.perf_counter() - started < _ENOUGH_TIMING_S:
            float(step(0.0))
            count += 1
        return (time.perf_counter() - started) / count
