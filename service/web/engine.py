"""The model and the threads it runs on, as the event loop sees them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from service.predictor import Predictor
from service.web.problems import Problem

Result = TypeVar("Result")


class Engine:
    """Not ready until it was given a predictor; what exists as a `Predictor` has passed its golden images."""

    def __init__(self, *, threads: int, predictor: Predictor | None = None) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="engine")
        self._predictor = predictor

    @property
    def predictor(self) -> Predictor:
        """The loaded model; raises Problem 503 before there is one."""
        if self._predictor is None:
            raise Problem(503, "The model is not loaded yet.", headers={"Retry-After": "1"})
        return self._predictor

    async def load(self, loader: Callable[[], Predictor]) -> None:
        """Become ready; raises what the loader raises."""
        self._predictor = await self.run(loader)

    async def run(self, work: Callable[[], Result]) -> Result:
        """Do the work on one of the threads: a single hop off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def close(self) -> None:
        """Let go of the threads; work that has not begun is dropped."""
        self._threads.shutdown(wait=False, cancel_futures=True)
