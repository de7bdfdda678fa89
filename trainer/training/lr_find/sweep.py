"""A learning rate sweep: the rate grows with every step until the loss bursts (Smith 2015, arXiv:1506.01186)."""

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

# The next training step, at a learning rate: returns its mean loss.
Step = Callable[[float], Tensor]
# The number of a sweep -> its training step, with an optimizer of its own.
Begin = Callable[[int], Step]

# fast.ai's, for its 100 steps over eight decades: the smoothing, and which steps its plot leaves out.
_SMOOTHING, _STEPS_A_DECADE = 0.98, 12.5
_SKIP_FIRST, _SKIP_LAST = 0.1, 0.05
_BURST = 4.0
_TIMED, _LONG_ENOUGH_S = 3, 1.0
_FEWEST_STEPS, _FEWEST_POINTS = 18, 5


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a model is swept; the defaults are fast.ai's, three times over.

    low, high  the first and the last rate; between them they grow geometrically
    steps      of each sweep, at most
    sweeps     each from the same weights, on batches of its own
    """

    low: float = 1e-7
    high: float = 10.0
    steps: int = 100
    sweeps: int = 3

    @property
    def smoothing(self) -> float:
        """What the average keeps of itself at each step: over a decade of rates always the same, 0.78."""
        steps_a_decade = self.steps / math.log10(self.high / self.low)
        return float(_SMOOTHING ** (_STEPS_A_DECADE / steps_a_decade))

    def within(self, budget_s: float, *, step_s: float) -> Plan:
        """The plan with its steps halved until it takes no longer than `budget_s`, or would have too few."""
        steps = self.steps
        while steps * self.sweeps * step_s > budget_s and steps // 2 >= _FEWEST_STEPS:
            steps //= 2
        return replace(self, steps=steps)


@dataclass(frozen=True, kw_only=True, eq=False)
class SweepCurve:
    """What several sweeps measured, where fast.ai looks at it: without the first tenth and the last twentieth.

    rates   float64 [n], rising
    losses  float64 [n], the median of the sweeps; each is the exponential average of the training loss
    least, most  float64 [n], the least and the most of them
    burst        whether a sweep ended before its last rate, as its loss burst
    seconds      wall time
    """

    lrs: npt.NDArray[np.float64]
    losses: npt.NDArray[np.float64]
    lowest: npt.NDArray[np.float64]
    highest: npt.NDArray[np.float64]
    diverged: bool
    seconds: float

    @property
    def ceiling(self) -> float:
        """The highest loss that is worth drawing: how high a sweep bursts is no news, how it fell before is."""
        first, least = float(self.losses[0]), float(self.lowest.min())
        return min(float(self.highest.max()), max(first + 0.35 * (first - least), 1.35 * first))


def sweep(
    model: nn.Module,
    begin: Begin,
    plan: Plan,
    *,
    progress: Progress,
    budget_s: float | None = None,
    cheaper: Sequence[Begin] = (),
) -> SweepCurve:
    """Sweep a model several times; the model and torch's random numbers are restored (`restoring_state`).

    budget_s  about how long all may take: the time of the first steps decides how many there can be, the time of a
              sweep whether there is another one. None: any time
    cheaper   what is tried in place of `begin`, one after the other, while a sweep of the fewest steps takes longer

    The loss is smoothed and debiased as fast.ai does it, and a sweep ends where that is no number or over four times
    its least. The curve ends where the first sweep did. Raises FitError where that was at once.
    """
    start = time.perf_counter()
    taken = begin
    if budget_s is not None:
        for taken in (begin, *cheaper):
            step_s = _time_step(model, taken)
            left_s = budget_s - (time.perf_counter() - start)
            if plan.within(0.0, step_s=step_s).steps * step_s <= left_s:
                break
        plan = plan.within(left_s, step_s=step_s)
    rates = np.geomspace(plan.low, plan.high, plan.steps)
    progress.start("sweep", plan.sweeps * plan.steps)
    found: list[npt.NDArray[np.float64]] = []
    for number in range(plan.sweeps):
        if found and budget_s is not None and (time.perf_counter() - start) * (number + 1) / number > budget_s:
            break
        with restoring_state(model):
            found.append(_losses(taken(number), rates, plan.smoothing, progress))
    whole = min(map(len, found))
    shown = slice(round(_SKIP_FIRST * plan.steps), whole - round(_SKIP_LAST * plan.steps))
    if shown.stop - shown.start < _FEWEST_POINTS:
        raise FitError(
            f"the loss burst within {whole} steps of the learning rate sweep, at a rate of {rates[whole]:.0e}; "
            "are the weights sound?"
        )
    losses = np.stack([each[shown] for each in found])
    return SweepCurve(
        lrs=rates[shown],
        losses=np.median(losses, axis=0),
        lowest=losses.min(axis=0),
        highest=losses.max(axis=0),
        diverged=whole < plan.steps,
        seconds=time.perf_counter() - start,
    )


def _losses(
    step: Step, rates: npt.NDArray[np.float64], smoothing: float, progress: Progress
) -> npt.NDArray[np.float64]:
    """The smoothed loss of each step of one sweep, as far as it went."""
    average, least = 0.0, math.inf
    smoothed: list[float] = []
    for number, rate in enumerate(rates):
        average = smoothing * average + (1 - smoothing) * float(step(rate))
        debiased = average / (1 - smoothing ** (number + 1))
        if not math.isfinite(debiased) or debiased > _BURST * least:
            break
        smoothed.append(debiased)
        least = min(least, debiased)
        progress.advance()
    return np.array(smoothed)


def _time_step(model: nn.Module, begin: Begin) -> float:
    """Seconds of a step, the mean of three or, of slow ones, fewer; the first, which sets up memory, is not counted."""
    with restoring_state(model):
        step = begin(0)
        float(step(0.0))
        start, count = time.perf_counter(), 0
        while count < _TIMED and time.perf_counter() - start < _LONG_ENOUGH_S:
            float(step(0.0))
            count += 1
        return (time.perf_counter() - start) / count
