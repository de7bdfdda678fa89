"""What takes a while: suspects, and the check of the images. It is done in the background, one step after the other."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from threadpoolctl import threadpool_limits

from service.cores import usable_cores
from trainer.cleaning.queues import Progress, Queue
from trainer.progress import NoProgress


class _Stopped(Exception):
    """The session has ended."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step.

    Attributes:
        queues: Names of the queues that it gives.
        label: What it does, for a person.
        run: Does it, and returns the queues; its argument is advanced.
    """

    queues: tuple[str, ...]
    label: str
    run: Callable[[BackgroundProgress], Sequence[Queue]]


class BackgroundProgress(NoProgress):
    """Counts what is done, and ends the step if the session has ended.

    Attributes:
        fraction: How much of the step is done, 0 to 1.
    """

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._total = self._done = 0

    @property
    def fraction(self) -> float:
        """How much of the step is done, 0 to 1."""
        return min(1.0, self._done / self._total) if self._total else 0.0

    def start(self, label: str, total: int, unit: str = "images") -> None:
        """Start to count."""
        del label, unit
        self._total, self._done = total, 0

    def advance(self, count: int = 1) -> None:
        """Count."""
        self._done += count
        if self._stop.is_set():
            raise _Stopped


class Background:
    """A thread that does the steps, and gives away the queues of each when they are there.

    Attributes:
        failures: A sentence for each step that failed.
    """

    def __init__(self, steps: Sequence[Step], *, deliver: Callable[[Sequence[Queue]], None]) -> None:
        """Take the steps.

        Args:
            steps: In order.
            deliver: Is called in the thread, with the queues of a step; also, with none, if a step failed.
        """
        self.failures: list[str] = []
        self._steps = list(steps)
        self._deliver = deliver
        self._stop = threading.Event()
        self._progress = BackgroundProgress(self._stop)
        self._thread = threading.Thread(target=self._run, name="queues", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, *, wait_s: float = 2.0) -> None:
        """End the thread: in the check after the next image; what else is being computed is abandoned."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(wait_s)

    def wait(self, timeout_s: float | None = None) -> None:
        """Wait until all steps are done."""
        self._thread.join(timeout_s)

    @property
    def pending(self) -> Sequence[Progress]:
        """The steps that are not done; only the first of them has begun."""
        steps = [*self._steps]
        fractions = [self._progress.fraction, *(0.0 for _ in steps[1:])]
        return [
            Progress(names=step.queues, step=step.label, fraction=fraction)
            for step, fraction in zip(steps, fractions[: len(steps)], strict=True)
        ]

    def _run(self) -> None:
        while self._steps and not self._stop.is_set():
            step = self._steps[0]
            self._progress = BackgroundProgress(self._stop)
            found: Sequence[Queue] = ()
            try:
                # Threads of BLAS on a core that answers requests wait for each other: they are several times slower.
                with threadpool_limits(max(1, usable_cores() - 1), user_api="blas"):
                    found = step.run(self._progress)
            except _Stopped:
                return
            except Exception as error:
                logging.getLogger(__name__).debug("%s failed", step.label, exc_info=True)
                self.failures.append(f"{step.label} failed: {error}")
            self._steps.pop(0)
            self._deliver(found)
