"""Worker threads that run jobs in the order of their submission.

The standard library's pool is not used: it keeps the process from ending while a thread hangs.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, TypeAlias


class Job:
    """A function to run, its context, and the future of its result. Created and cancelled on the event loop's thread.

    Attributes:
        future: Of the result.
    """

    def __init__(self, work: Callable[[], Any]) -> None:
        self._loop = asyncio.get_running_loop()
        self._context = contextvars.copy_context()
        self._work = deque([work])  # removed once, by either thread: `pop` is atomic
        self.future: asyncio.Future[Any] = self._loop.create_future()

    @property
    def is_waiting(self) -> bool:
        """Whether it has neither started nor been cancelled."""
        return bool(self._work)

    def cancel(self) -> bool:
        """Keep it from starting, and release what it holds; returns False if it has started already."""
        try:
            self._work.pop()
        except IndexError:
            return False
        self.future.cancel()
        return True

    def run(self) -> None:
        """Run it on a worker thread, unless it was cancelled."""
        try:
            work = self._work.pop()
        except IndexError:
            return
        result, error = None, None
        try:
            result = self._context.run(work)
        except BaseException as raised:  # noqa: BLE001  (the future passes it on)
            error = raised
        with contextlib.suppress(RuntimeError):  # the event loop has ended meanwhile
            self._loop.call_soon_threadsafe(self._set_result, result, error)
        # An exception's traceback refers to this frame. If the frame kept a reference to the exception, both would stay
        # in memory until a garbage collection, and with them what the frames hold: above all an upload.
        del self, work, error

    def _set_result(self, result: Any, error: BaseException | None) -> None:
        if self.future.cancelled():
            return
        if error is not None:
            self.future.set_exception(error)
        else:
            self.future.set_result(result)


_Inbox: TypeAlias = queue.SimpleQueue[Job | None]  # of one thread


class Workers:
    """A number of threads. If several are idle, the one that ran last gets the next job.

    Its data are still in the caches of its core: if threads take turns, a single client waits longer.
    """

    def __init__(self, count: int) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[Job] = deque()
        self._idle: list[_Inbox] = []  # of idle threads; the last one ran last
        self._surplus = 0  # how many threads end instead of taking another job
        self._closed = False
        for number in range(count):
            threading.Thread(target=self._run_jobs, args=(_Inbox(),), name=f"worker-{number}", daemon=True).start()

    def submit(self, work: Callable[[], Any]) -> Job:
        """Run it as soon as a thread is free."""
        job = Job(work)
        with self._lock:
            inbox = self._idle.pop() if self._idle else None
            if inbox is None:
                self._waiting.append(job)
        if inbox is not None:
            inbox.put(job)
        return job

    def end(self, count: int) -> None:
        """Let so many threads end: idle ones now, others after their present jobs."""
        with self._lock:
            idle = [self._idle.pop(0) for _ in range(min(count, len(self._idle)))]
            self._surplus += count - len(idle)
        for inbox in idle:
            inbox.put(None)

    def close(self) -> None:
        """Let the threads end after their present jobs. Waiting jobs are dropped."""
        with self._lock:
            self._closed = True
            self._waiting.clear()
            idle, self._idle = self._idle, []
        for inbox in idle:
            inbox.put(None)

    def _run_jobs(self, inbox: _Inbox) -> None:
        while (job := self._next(inbox)) is not None:
            job.run()
            del job  # it holds an upload and a response, and the next job may come much later

    def _next(self, inbox: _Inbox) -> Job | None:
        """Wait for the next job of the thread with this inbox; None tells it to end."""
        with self._lock:
            if self._closed:
                return None
            if self._surplus:
                self._surplus -= 1
                return None
            if self._waiting:
                return self._waiting.popleft()
            self._idle.append(inbox)
        return inbox.get()
