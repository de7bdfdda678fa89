"""Whose turn it is: a queue for each host, so that no host gets many requests at a time and none waits for another."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from trainer.collect.failures import Failure

T = TypeVar("T")

# After so many requests in a row without an answer, the other requests to a host are given up.
_MOST_SILENCES = 8
# Between two requests to a host that asked to wait, seconds.
_FIRST_INTERVAL_S, _MAX_INTERVAL_S = 0.25, 30.0


@dataclass(kw_only=True)
class _Host(Generic[T]):
    """What is known of one host.

    Attributes:
        name: Its name.
        items: What waits for it.
        limit: Requests at a time.
        active: Requests now.
        not_before: Earliest time of the next request, seconds of the clock.
        interval_s: Seconds between two requests.
        silences: Requests in a row that were not answered.
        closed: Why nothing is requested any more; None: it is.
        is_queued: Whether it is among the hosts whose turn comes, or waits for its time.
    """

    name: str
    items: deque[T] = field(default_factory=deque)
    limit: int = 1
    active: int = 0
    not_before: float = 0.0
    interval_s: float = 0.0
    silences: int = 0
    closed: Failure | None = None
    is_queued: bool = False


class HostQueues(Generic[T]):
    """Items that wait for their host. Hosts take turns. A host gets one request at a time until it is opened."""

    def __init__(self, *, per_host: int, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Take how many requests there may be at a time, to each host and in all."""
        self._per_host, self._total, self._clock = per_host, total, clock
        self._hosts: dict[str, _Host[T]] = {}
        self._turns: deque[_Host[T]] = deque()
        self._paused: list[tuple[float, int, _Host[T]]] = []
        self._delayed: list[tuple[float, int, str, T]] = []
        self._numbers = itertools.count()
        self._active = self._unfinished = 0
        self._changed = asyncio.Event()

    def add(self, host: str, item: T, *, delay_s: float = 0.0) -> None:
        """Add an item; its turn comes after a delay at the earliest."""
        self._unfinished += 1
        if delay_s > 0:
            heapq.heappush(self._delayed, (self._clock() + delay_s, next(self._numbers), host, item))
        else:
            self._append(host, item)
        self._changed.set()

    async def get(self) -> tuple[str, T] | None:
        """Wait for an item whose turn it is, and take a place at its host: `release` gives it back.

        Returns:
            The host and the item; None if every item is finished.
        """
        while self._unfinished:
            taken = self._take()
            if taken is not None:
                return taken
            self._changed.clear()
            try:
                async with asyncio.timeout(self._seconds_until_next()):
                    await self._changed.wait()
            except TimeoutError:
                continue
        return None

    def release(self, host: str) -> None:
        """Give back the place at a host."""
        state = self._hosts[host]
        state.active -= 1
        self._active -= 1
        self._queue(state)
        self._changed.set()

    def finish(self) -> None:
        """An item needs nothing more."""
        self._unfinished -= 1
        if not self._unfinished:
            self._changed.set()

    # What is learned of a host

    def open(self, host: str, *, interval_s: float = 0.0) -> None:
        """Its rules are known: from now on it gets several requests at a time, or one in each interval."""
        state = self._host(host)
        state.interval_s = max(state.interval_s, interval_s)
        if state.interval_s:
            state.not_before = max(state.not_before, self._clock() + state.interval_s)
        state.limit = 1 if state.interval_s else self._per_host
        self._queue(state)
        self._changed.set()

    def slow_down(self, host: str, seconds: float) -> None:
        """A host asked to wait: no request for that time, and from then on one at a time, at growing intervals."""
        state = self._host(host)
        if state.not_before <= self._clock() + state.interval_s:  # not one of several that were under way
            state.interval_s = min(max(2 * state.interval_s, _FIRST_INTERVAL_S), _MAX_INTERVAL_S)
        state.limit = 1
        state.not_before = max(state.not_before, self._clock() + seconds)

    def close(self, host: str, why: Failure) -> None:
        """No request to a host any more: its items are taken at once, and fail."""
        state = self._host(host)
        state.closed = state.closed or why
        self._queue(state, again=True)
        self._changed.set()

    def closed(self, host: str) -> Failure | None:
        """Why nothing is requested of a host; None if it is."""
        return self._host(host).closed

    def note_answer(self, host: str) -> None:
        """A host answered."""
        self._host(host).silences = 0

    def note_silence(self, host: str) -> None:
        """A host did not answer a request. Too often in a row closes it."""
        state = self._host(host)
        state.silences += 1
        if state.silences >= _MOST_SILENCES:
            self.close(host, Failure("host-silent", f"{host} did not answer {state.silences} requests in a row"))

    # Turns

    def _host(self, name: str) -> _Host[T]:
        return self._hosts.setdefault(name, _Host(name=name))

    def _append(self, host: str, item: T) -> None:
        state = self._host(host)
        state.items.append(item)
        self._queue(state)

    def _queue(self, host: _Host[T], *, again: bool = False) -> None:
        """Give a host a turn, now or at its time, if something waits for it and it has a free place."""
        if (host.is_queued and not again) or not host.items or (host.active >= host.limit and not host.closed):
            return
        host.is_queued = True
        if host.closed or host.not_before <= self._clock():
            self._turns.append(host)
        else:
            heapq.heappush(self._paused, (host.not_before, next(self._numbers), host))

    def _take(self) -> tuple[str, T] | None:
        now = self._clock()
        while self._delayed and self._delayed[0][0] <= now:
            _, _, name, item = heapq.heappop(self._delayed)
            self._append(name, item)
        while self._paused and self._paused[0][0] <= now:
            self._turns.append(heapq.heappop(self._paused)[2])
        if self._active >= self._total:
            return None
        while self._turns:
            host = self._turns.popleft()
            host.is_queued = False
            if not host.closed and host.not_before > now:  # paused since it was given a turn
                self._queue(host)
                continue
            if not host.items or (host.active >= host.limit and not host.closed):
                continue
            item = host.items.popleft()
            host.active += 1
            self._active += 1
            if host.interval_s:
                host.not_before = now + host.interval_s
            self._queue(host)
            return host.name, item
        return None

    def _seconds_until_next(self) -> float | None:
        times = [queue[0][0] for queue in (self._delayed, self._paused) if queue]
        if not times or self._active >= self._total:
            return None
        return max(min(times) - self._clock(), 0.001)
