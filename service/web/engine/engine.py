"""The model and the threads it runs on, as the event loop sees them."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

from starlette.requests import ClientDisconnect

from service.pixels import ImageError
from service.predictor import Predictor
from service.web import record
from service.web.engine.permits import Permits
from service.web.engine.vitals import Vitals
from service.web.engine.workers import Job, Workers
from service.web.problem import Problem
from service.web.record import Record

Result = TypeVar("Result")


class Engine:
    """Not ready until it was given a predictor; what exists as a `Predictor` has passed its golden images.

    threads         the slots: how many images are worked on side by side
    queue_per_slot  how many more may wait for each of them
    deadline_s      time from a request's last byte to its answer, seconds
    stuck_s         see `Vitals`
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
        self.slots = threads
        self.permits = Permits(threads * (1 + queue_per_slot))
        self.vitals = Vitals(slots=threads, stuck_s=stuck_s)
        self._workers = Workers(threads)
        self._deadline_s = deadline_s
        self._predictor = predictor
        self._waiting: set[Job] = set()

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
        """How many requests wait for a slot."""
        return sum(job.waits for job in self._waiting)

    async def load(self, loader: Callable[[], Predictor]) -> None:
        """Become ready; raises what the loader raises."""
        self._predictor = await self._workers.submit(loader).future

    async def run(self, work: Callable[[], Result]) -> Result:
        """Do the work on one of the threads: a single hop off the event loop.

        Raises what the work raises, Problem 503 where it is not done by the deadline, and ClientDisconnect where the
        client left before. What is given up does not begin; where it has begun, its inference is ended, and its slot
        is lost until it returns.
        """
        request = record.current()
        job = self._workers.submit(functools.partial(_timed, work, request))
        self._waiting.add(job)
        try:
            await asyncio.wait(
                [job.future, request.departure] if request.departure is not None else [job.future],
                timeout=self._deadline_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if job.future.done():
                self._count(job.future.exception())
                return cast(Result, job.future.result())
            if request.departure is not None and request.departure.done():
                raise ClientDisconnect
            self.vitals.fail()
            request.rejected = "deadline"
            raise Problem(
                503, f"The answer was not there within {self._deadline_s:g} seconds.", headers={"Retry-After": "5"}
            )
        finally:
            self._waiting.discard(job)
            if not job.future.done():
                self._give_up(job, request)
            del job  # it holds what is raised, whose traceback leads to this frame; see `Job.run`

    def close(self) -> None:
        """Let go of the threads; work that has not begun is dropped."""
        self._workers.close()

    def _count(self, error: BaseException | None) -> None:
        if error is None or isinstance(error, ImageError | Problem):
            self.vitals.succeed()
        else:
            self.vitals.fail()

    def _give_up(self, job: Job, request: Record) -> None:
        if job.give_up():
            return
        request.run_options.terminate = True
        self.vitals.lose_slot()
        job.future.add_done_callback(self._come_back)

    def _come_back(self, future: asyncio.Future[Any]) -> None:
        self.vitals.regain_slot()
        future.exception()  # nobody waits for it any more


def _timed(work: Callable[[], Result], request: Record) -> Result:
    """On a worker thread."""
    request.lap("queue")
    try:
        return work()
    finally:
        request.lap("encode")
