"""What is worked out in the background."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np

from trainer.cleaning.queues import ImageQueue, Queue
from trainer.cleaning.work import Background, BackgroundProgress, Step


def queue(name: str) -> ImageQueue:
    return ImageQueue(name=name, ids=np.arange(3))


def test_the_steps_are_done_in_order_with_their_progress() -> None:
    go_on, reached = threading.Event(), threading.Event()
    delivered: list[str] = []

    def slow(progress: BackgroundProgress) -> Sequence[Queue]:
        progress.start("check", 4)
        progress.advance()
        reached.set()
        assert go_on.wait(10)
        return [queue("wrong")]

    steps = [
        Step(queues=("wrong", "off-topic"), label="first", run=slow),
        Step(queues=("check",), label="second", run=lambda _: [queue("check")]),
    ]
    background = Background(steps, deliver=lambda queues: delivered.extend(each.name for each in queues))
    assert [progress.step for progress in background.pending] == ["first", "second"]
    background.start()
    assert reached.wait(10)
    assert [(progress.names, progress.fraction) for progress in background.pending] == [
        (("wrong", "off-topic"), 0.25),
        (("check",), 0.0),
    ]
    go_on.set()
    background.wait(10)
    assert delivered == ["wrong", "check"]
    assert background.pending == []
    assert background.failures == []


def test_a_step_that_fails_is_reported_and_the_next_is_done() -> None:
    delivered: list[list[str]] = []

    def fail(_progress: BackgroundProgress) -> Sequence[Queue]:
        raise ValueError("too dark")

    steps = [
        Step(queues=("wrong",), label="looking", run=fail),
        Step(queues=("check",), label="checking", run=lambda _: [queue("check")]),
    ]
    background = Background(steps, deliver=lambda queues: delivered.append([each.name for each in queues]))
    background.start()
    background.wait(10)
    assert delivered == [[], ["check"]]
    assert background.failures == ["looking failed: too dark"]


def test_a_stop_ends_a_step_at_its_next_image() -> None:
    reached = threading.Event()

    def endless(progress: BackgroundProgress) -> Sequence[Queue]:
        while True:
            progress.advance()
            reached.set()

    background = Background([Step(queues=("check",), label="checking", run=endless)], deliver=lambda _: None)
    background.start()
    assert reached.wait(10)
    background.stop(wait_s=10)
    background.wait(0.1)
    assert not background._thread.is_alive()
    assert background.failures == []


def test_a_stop_before_the_start_is_none() -> None:
    Background([], deliver=lambda _: None).stop()
