"""Run asynchronous work from code that is not: in a command, a script, or a notebook, which has a loop of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

try:
    import uvloop
except ImportError:  # Windows has none
    uvloop = None  # type: ignore[assignment]

T = TypeVar("T")
_new_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop if uvloop is None else uvloop.new_event_loop


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run something to its end.

    Ctrl-C cancels it, waits until it has cleaned up, and raises KeyboardInterrupt.
    """
    if _is_in_a_loop():
        return _run_on_a_thread(work)
    with asyncio.Runner(loop_factory=_new_loop) as runner:
        return runner.run(work)


def _is_in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _run_on_a_thread(work: Coroutine[Any, Any, T]) -> T:
    loop = _new_loop()
    result: Future[T] = Future()
    tasks: list[asyncio.Task[T]] = []

    async def main() -> T:
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        return await work

    def target() -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                result.set_result(runner.run(main()))
        except BaseException as error:  # noqa: BLE001  (raised again on the thread that waits)
            result.set_exception(error)

    thread = threading.Thread(target=target, name="collect")
    thread.start()
    try:
        return result.result()
    except KeyboardInterrupt:
        for task in tasks:
            loop.call_soon_threadsafe(task.cancel)
        raise
    finally:
        thread.join()
