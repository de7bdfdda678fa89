"""Threads that do one piece of work after another, in the order in which it came.

Not the standard library's pool: that one keeps the process from ending while a thread hangs.
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
    """A piece of work, its context, and the future of its result. Made and given up on the event loop's thread."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._loop = asyncio.get_running_loop()
        self._context = contextvars.copy_context()
        self._work = deque([work])  # taken from either thread, once: `pop` is atomic
        self.future: asyncio.Future[Any] = self._loop.create_future()

    @property
    def waits(self) -> bool:
        """Whether it has neither begun nor been given up."""
        return bool(self._work)

    def give_up(self) -> bool:
        """Keep it from beginning, and let go of what it holds; False where it has begun already."""
        try:
            self._work.pop()
        except IndexError:
            return False
        self.future.cancel()
        return True

    def run(self) -> None:
        """On a worker thread: do it, unless it was given up."""
        try:
            work = self._work.pop()
        except IndexError:
            return
        result, error = None, None
        try:
            result = self._context.run(work)
        except BaseException as raised:  # noqa: BLE001  (whoever awaits the future gets it)
            error = raised
        with contextlib.suppress(RuntimeError):  # the event loop ended meanwhile
            self._loop.call_soon_threadsafe(self._end, result, error)
        # An error's traceback leads to this frame. Were there a way back, the error and all that its frames hold, an
        # upload above all, would stay until a garbage collection.
        del self, work, error

    def _end(self, result: Any, error: BaseException | None) -> None:
        if self.future.cancelled():
            return
        if error is not None:
            self.future.set_exception(error)
        else:
            self.future.set_result(result)


_Inbox: TypeAlias = queue.SimpleQueue[Job | None]  # of one thread


class Workers:
    """That many threads. Where several have nothing to do, the one that worked last is given the next work.

    What it needs is in the caches of the core that it ran on: a client that is alone waits longer where threads take
    turns.
    """

    def __init__(self, count: int) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[Job] = deque()
        self._idle: list[_Inbox] = []  # of the threads with nothing to do; the last one worked last
        self._closed = False
        for number in range(count):
            threading.Thread(target=self._work, args=(_Inbox(),), name=f"worker-{number}", daemon=True).start()

    def submit(self, work: Callable[[], Any]) -> Job:
        """Have it done as soon as a thread is free."""
        job = Job(work)
        with self._lock:
            inbox = self._idle.pop() if self._idle else None
            if inbox is None:
                self._waiting.append(job)
        if inbox is not None:
            inbox.put(job)
        return job

    def close(self) -> None:
        """Let the threads end after what they do now."""
        with self._lock:
            self._closed = True
            self._waiting.clear()
            idle, self._idle = self._idle, []
        for inbox in idle:
            inbox.put(None)

    def _work(self, inbox: _Inbox) -> None:
        while (job := self._next(inbox)) is not None:
            job.run()
            del job  # holds an upload and an answer, and the next one may be long in coming

    def _next(self, inbox: _Inbox) -> Job | None:
        """What the thread of this inbox does next; None where it is to end."""
        with self._lock:
            if self._closed:
                return None
            if self._waiting:
                return self._waiting.popleft()
            self._idle.append(inbox)
        return inbox.get()
