from __future__ import annotations

import pytest

from service.problem import Problem
from service.web.engine.health import HealthMonitor


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def is_ready(health: HealthMonitor) -> bool:
    try:
        health.check_ready()
    except Problem:
        return False
    return True


def test_five_consecutive_failures_make_it_not_ready_for_a_while() -> None:
    clock = Clock()
    health = HealthMonitor(slots=2, stuck_s=30, clock=clock)
    for _ in range(4):
        health.record_failure()
    assert is_ready(health)
    health.record_success()
    for _ in range(4):
        health.record_failure()
    assert is_ready(health)
    health.record_failure()
    assert not is_ready(health)
    clock.now += 11
    assert is_ready(health)
    health.record_failure()  # the first one after the rest: no better
    assert not is_ready(health)
    health.record_success()
    assert is_ready(health)
    assert health.failures == 10


def test_all_slots_lost() -> None:
    clock = Clock()
    health = HealthMonitor(slots=2, stuck_s=30, clock=clock)
    health.lose_slot()
    clock.now += 100
    health.check_live()
    assert is_ready(health)
    health.lose_slot()
    assert not is_ready(health)
    clock.now += 29
    health.check_live()
    clock.now += 1
    with pytest.raises(Problem, match="Every thread"):
        health.check_live()
    health.regain_slot()
    health.check_live()
    assert is_ready(health)


def test_stopping() -> None:
    health = HealthMonitor(slots=1, stuck_s=30)
    health.stopping = True
    assert not is_ready(health)
    health.check_live()
