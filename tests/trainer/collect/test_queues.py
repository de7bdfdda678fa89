"""Whose turn it is, by a clock that the tests set."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from trainer.collect.failures import Failure
from trainer.collect.queues import HostQueues


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module", autouse=True)
def _loop() -> Iterator[None]:
    """One loop for all calls of a test."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queues(clock: Clock) -> HostQueues[int]:
    return HostQueues(per_host=2, total=5, clock=clock)


def ready(queues: HostQueues[int]) -> list[tuple[str, int]]:
    """All items that can be taken now, without giving a place back."""

    async def take() -> list[tuple[str, int]]:
        taken = []
        while True:
            try:
                async with asyncio.timeout(0.001):
                    got = await queues.get()
            except TimeoutError:
                return taken
            if got is None:
                return taken
            taken.append(got)

    return asyncio.get_event_loop().run_until_complete(take())


def test_a_host_gets_one_request_until_it_is_opened(queues: HostQueues[int]) -> None:
    for number in range(4):
        queues.add("a", number)
    assert ready(queues) == [("a", 0)]
    queues.open("a")
    assert ready(queues) == [("a", 1)]
    queues.release("a")
    assert ready(queues) == [("a", 2)]


def test_hosts_take_turns_and_there_is_a_limit_for_all(queues: HostQueues[int]) -> None:
    for host in "abc":
        queues.open(host)
        for number in range(3):
            queues.add(host, number)
    assert ready(queues) == [("a", 0), ("b", 0), ("c", 0), ("a", 1), ("b", 1)]
    queues.release("a")
    assert ready(queues) == [("c", 1)]


def test_a_delayed_item_comes_later(queues: HostQueues[int], clock: Clock) -> None:
    queues.open("a")
    queues.add("a", 1, delay_s=5)
    queues.add("a", 2)
    assert ready(queues) == [("a", 2)]
    clock.now += 5
    assert ready(queues) == [("a", 1)]


def test_a_host_that_asks_to_wait_is_left_alone_and_then_asked_slowly(queues: HostQueues[int], clock: Clock) -> None:
    queues.open("a")
    for number in range(4):
        queues.add("a", number)
    assert ready(queues) == [("a", 0), ("a", 1)]
    queues.slow_down("a", 10)
    queues.slow_down("a", 10)  # the second of the two that were under way
    queues.release("a")
    queues.release("a")
    assert ready(queues) == []
    clock.now += 10
    assert ready(queues) == [("a", 2)]
    queues.release("a")
    assert ready(queues) == []
    clock.now += 0.3
    assert ready(queues) == [("a", 3)]


def test_a_crawl_delay_is_kept(queues: HostQueues[int], clock: Clock) -> None:
    queues.add("a", 0)
    queues.add("a", 1)
    assert ready(queues) == [("a", 0)]
    queues.open("a", interval_s=3)
    queues.release("a")
    assert ready(queues) == []
    clock.now += 3
    assert ready(queues) == [("a", 1)]


def test_a_host_that_does_not_answer_is_closed(queues: HostQueues[int]) -> None:
    for _ in range(7):
        queues.note_silence("a")
    queues.note_answer("a")
    for _ in range(7):
        queues.note_silence("a")
    assert queues.closed("a") is None
    queues.note_silence("a")
    closed = queues.closed("a")
    assert closed is not None
    assert closed.reason == "host-silent"


def test_what_waits_for_a_closed_host_is_taken_at_once(queues: HostQueues[int]) -> None:
    for number in range(4):
        queues.add("a", number)
    queues.slow_down("a", 1000)
    queues.close("a", Failure("host-busy", "later"))
    assert [item for _, item in ready(queues)] == [0, 1, 2, 3]


def test_the_end_comes_when_every_item_is_finished(queues: HostQueues[int]) -> None:
    async def both() -> list[tuple[str, int] | None]:
        queues.add("a", 1)
        first = await queues.get()
        waiting = asyncio.create_task(queues.get())
        await asyncio.sleep(0)
        queues.release("a")
        queues.finish()
        return [first, await waiting, await queues.get()]

    assert asyncio.get_event_loop().run_until_complete(both()) == [("a", 1), None, None]
