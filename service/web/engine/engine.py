"""The model and its worker threads, as the event loop sees them."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

from starlette.requests import ClientDisconnect

from service.pixels import ImageError
from service.predictor import Predictor
from service.problem import Problem
from service.web import record
from service.web.engine.health import HealthMonitor
from service.web.engine.permits import Permits
from service.web.engine.workers import Job, Workers
from service.web.record import Record

Result = TypeVar("Result")


class Engine:
    """Runs work on threads under a deadline. It has no model until it is given a predictor.

    Attributes:
        slots: The number of worker threads, and so of images that are processed at the same time.
        permits: How many requests may be inside.
        health: What /livez and /readyz report.
    """

    def __init__(
        self,
        *,
        threads: int,
        predictor: Predictor | None = None,
        queue_per_slot: int = 4,
        deadline_s: float = 10.0,
        stuck_s: float = 30.0,
    ) -> None:
        """Start the threads.

        Args:
            threads: How many images are processed at the same time.
            predictor: The model; by default `load` loads it.
            queue_per_slot: How many more requests may wait for each thread.
            deadline_s: Time from a request's last byte to its response, seconds.
            stuck_s: See `HealthMonitor`.
        """
        self.slots = threads
        self.permits = Permits(threads * (1 + queue_per_slot))
        self.health = HealthMonitor(slots=threads, stuck_s=stuck_s)
        self._workers = Workers(threads)
        self._deadline_s = deadline_s
        self._predictor = predictor
        self._unfinished: set[Job] = set()

    @property
    def predictor(self) -> Predictor:
        """The loaded model; raises Problem 503 before there is one."""
        if self._predictor is None:
            record.current().rejected = "not_ready"
            raise Problem(503, "The model is not loaded yet.", headers={"Retry-After": "1"})
        return self._predictor

    @property
    def is_loaded(self) -> bool:
        """Whether there is a model."""
        return self._predictor is not None

    @property
    def queue_depth(self) -> int:
        """How many requests wait for a thread."""
        return sum(job.is_waiting for job in self._unfinished)

    def lower(self, *, slots: int, queue: int) -> None:
        """Process fewer requests at the same time than at first; only before the model is loaded, by any thread.

        Args:
            slots: How many images are processed at the same time.
            queue: How many more requests may wait, all together.
        """
        self._workers.end(self.slots - slots)
        self.slots = slots
        self.health.slots = slots
        self.permits.count = slots + queue

    async def load(self, loader: Callable[[], Predictor]) -> None:
        """Load the model on a worker thread; raises what the loader raises."""
        self._predictor = await self._workers.submit(loader).future

    async def run(self, work: Callable[[], Result]) -> Result:
        """Run a request's work on a worker thread: a single hop off the event loop.

        Work that is cancelled does not start. If it has started already, its inference is stopped, and its slot is
        lost until it returns.

        Args:
            work: The function to run, in the context of the caller.

        Returns:
            What the function returns.

        Raises:
            Problem: 503 if it is not finished by the deadline.
            ClientDisconnect: If the client disconnected before.
            Exception: What the function raises.
        """
        request = record.current()
        job = self._workers.submit(functools.partial(_timed, work, request))
        self._unfinished.add(job)
        try:
            await asyncio.wait(
                [job.future, request.disconnected] if request.disconnected is not None else [job.future],
                timeout=self._deadline_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if job.future.done():
                self._record_outcome(job.future.exception())
                return cast(Result, job.future.result())
            if request.disconnected is not None and request.disconnected.done():
                raise ClientDisconnect
            self.health.record_failure()
            request.rejected = "deadline"
            raise Problem(
                503, f"The request took longer than {self._deadline_s:g} seconds.", headers={"Retry-After": "5"}
            )
        finally:
            self._unfinished.discard(job)
            if not job.future.done():
                self._cancel(job, request)
            del job  # it holds the exception, whose traceback leads to this frame; see `Job.run`

    def close(self) -> None:
        """Stop the threads after their present work. Work that has not started is dropped."""
        self._workers.close()

    def _record_outcome(self, error: BaseException | None) -> None:
        if error is None or isinstance(error, ImageError | Problem):
            self.health.record_success()
        else:
            self.health.record_failure()

    def _cancel(self, job: Job, request: Record) -> None:
        if job.cancel():
            return
        request.run_options.terminate = True
        self.health.lose_slot()
        job.future.add_done_callback(self._on_late_return)

    def _on_late_return(self, future: asyncio.Future[Any]) -> None:
        self.health.regain_slot()
        future.exception()  # nobody awaits it any more; reading it keeps asyncio from logging it


def _timed(work: Callable[[], Result], request: Record) -> Result:
    """Run on a worker thread. The time before the work is `queue`; the time after its last stage is `encode`."""
    request.lap("queue")
    try:
        return work()
    finally:
        request.lap("encode")
