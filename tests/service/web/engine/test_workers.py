from __future__ import annotations

import asyncio
import contextvars
import threading
import weakref

import pytest

from service.web.engine.workers import Workers


def test_jobs_run_in_order_in_their_context() -> None:
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable")

    async def run() -> list[int]:
        workers, jobs = Workers(1), []
        for number in range(20):
            variable.set(number)
            jobs.append(workers.submit(variable.get))
        found = [await job.future for job in jobs]
        workers.close()
        return found

    assert asyncio.run(run()) == list(range(20))


def test_a_single_client_is_served_by_one_thread() -> None:
    """Threads used to take turns, each with its data in the caches of another core."""

    async def run() -> set[int]:
        workers = Workers(4)
        await asyncio.sleep(0.05)  # until all of them wait
        found = set()
        for _ in range(20):
            found.add(await workers.submit(threading.get_ident).future)
            await asyncio.sleep(0.005)
        workers.close()
        return found

    assert len(asyncio.run(run())) == 1


def test_threads_run_in_parallel_and_no_job_runs_twice() -> None:
    async def run() -> tuple[set[int], list[int]]:
        workers, together = Workers(4), threading.Barrier(4)
        threads = [workers.submit(lambda: (together.wait(10), threading.get_ident())[1]) for _ in range(4)]
        jobs = [workers.submit(lambda number=number: number) for number in range(2000)]
        found = {await job.future for job in threads}, [await job.future for job in jobs]
        workers.close()
        return found

    threads, numbers = asyncio.run(run())
    assert len(threads) == 4
    assert numbers == list(range(2000))


@pytest.mark.parametrize("are_idle", [True, False])
def test_some_threads_end_and_the_others_go_on(*, are_idle: bool) -> None:
    async def run() -> tuple[int, list[int]]:
        before, gate = set(threading.enumerate()), threading.Event()
        workers = Workers(4)
        jobs = [] if are_idle else [workers.submit(lambda: gate.wait(10)) for _ in range(4)]
        await asyncio.sleep(0.05)
        workers.end(3)
        gate.set()
        await asyncio.gather(*(job.future for job in jobs))
        await asyncio.sleep(0.05)
        left = len(set(threading.enumerate()) - before)
        numbers = [await workers.submit(lambda number=number: number).future for number in range(20)]
        workers.close()
        return left, numbers

    assert asyncio.run(run()) == (1, list(range(20)))


def test_threads_end_after_close() -> None:
    async def run() -> None:
        before, gate = set(threading.enumerate()), threading.Event()
        workers = Workers(3)
        busy = workers.submit(gate.wait)
        dropped = workers.submit(gate.wait), workers.submit(gate.wait), workers.submit(gate.wait)
        while busy.is_waiting:
            await asyncio.sleep(0.001)
        own = set(threading.enumerate()) - before
        assert len(own) == 3
        workers.close()
        gate.set()
        for thread in own:
            thread.join(10)
            assert not thread.is_alive()
        assert await busy.future
        assert dropped[-1].is_waiting

    asyncio.run(run())


def test_exceptions_are_passed_on() -> None:
    async def run() -> None:
        workers = Workers(1)
        with pytest.raises(ZeroDivisionError):
            await workers.submit(lambda: 1 // 0).future
        workers.close()

    asyncio.run(run())


def test_a_cancelled_job_does_not_start_and_holds_nothing() -> None:
    class Upload:
        pass

    async def run() -> None:
        workers, gate, upload, done = Workers(1), threading.Event(), Upload(), []
        first = workers.submit(gate.wait)
        second = workers.submit(lambda held=upload: done.append(held))
        gone = weakref.ref(upload)
        del upload
        while first.is_waiting:
            await asyncio.sleep(0.001)
        assert second.is_waiting
        assert second.cancel()
        assert gone() is None
        assert not first.cancel()
        gate.set()
        assert await first.future
        assert await workers.submit(lambda: 7).future == 7
        assert not done
        assert second.future.cancelled()
        workers.close()

    asyncio.run(run())


def test_threads_survive_the_end_of_the_event_loop() -> None:
    gate = threading.Event()

    async def start(workers: Workers) -> None:
        job = workers.submit(gate.wait)
        while job.is_waiting:
            await asyncio.sleep(0.001)

    async def ask(workers: Workers) -> int:
        return int(await workers.submit(lambda: 7).future)

    workers = Workers(1)
    asyncio.run(start(workers))
    gate.set()
    assert asyncio.run(ask(workers)) == 7
    workers.close()
