from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Iterator

import pytest

from service.pixels import UndecodableImage
from service.predictor import Predictor
from service.problem import Problem
from service.web.engine import Engine


@pytest.fixture
def without_collections() -> Iterator[None]:
    """Objects are released by reference counting alone."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class Upload:
    pass


def fail(upload: Upload, kind: type[Exception]) -> None:
    """Raise like code that reads a bad upload."""
    try:
        raise ValueError(id(upload))
    except ValueError as error:
        raise (Problem(400, "No.") if kind is Problem else kind("No.")) from error


@pytest.mark.usefixtures("without_collections")
@pytest.mark.parametrize("kind", [UndecodableImage, Problem, RuntimeError])
def test_a_rejected_upload_is_released_at_once(predictor: Predictor, kind: type[Exception]) -> None:
    """It used to stay in memory until a garbage collection: half a dozen of 20 MB, besides those being processed."""

    async def run() -> None:
        engine, upload = Engine(threads=1, predictor=predictor), Upload()
        gone = weakref.ref(upload)
        work = asyncio.create_task(engine.run(lambda held=upload: fail(held, kind)))
        del upload
        await asyncio.wait([work])
        assert isinstance(work.exception(), kind)
        del work
        await asyncio.sleep(0.01)
        assert gone() is None
        engine.close()

    asyncio.run(run())


@pytest.mark.usefixtures("without_collections")
def test_a_cancelled_upload_is_released_when_its_work_ends(predictor: Predictor) -> None:
    async def run() -> None:
        engine, upload = Engine(threads=1, predictor=predictor, deadline_s=0.05), Upload()
        gone = weakref.ref(upload)
        go_on = asyncio.Event()
        loop = asyncio.get_running_loop()

        def work(held: Upload) -> None:
            asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result()
            fail(held, RuntimeError)

        task = asyncio.create_task(engine.run(lambda held=upload: work(held)))
        del upload
        await asyncio.wait([task])
        assert isinstance(task.exception(), Problem)
        assert engine.health.slots_lost == 1
        go_on.set()
        while engine.health.slots_lost:
            await asyncio.sleep(0.001)
        del task
        await asyncio.sleep(0.01)
        assert gone() is None
        engine.close()

    asyncio.run(run())


def test_lowering_leaves_fewer_slots_and_permits(predictor: Predictor) -> None:
    async def run() -> set[int]:
        engine = Engine(threads=4, queue_per_slot=4)
        engine.lower(slots=2, queue=1)
        assert (engine.slots, engine.permits.count) == (2, 3)
        await engine.load(lambda: predictor)
        engine.health.lose_slot()
        engine.health.check_ready()
        engine.health.lose_slot()
        with pytest.raises(Problem, match="stuck"):
            engine.health.check_ready()
        jobs = [engine.run(lambda: (time.sleep(0.02), threading.get_ident())[1]) for _ in range(8)]
        names = set(await asyncio.gather(*jobs))
        engine.close()
        return names

    assert len(asyncio.run(run())) == 2
