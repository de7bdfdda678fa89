from __future__ import annotations

import pytest

from service.web.engine.vitals import Vitals
from service.web.problem import Problem


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def is_ready(vitals: Vitals) -> bool:
    try:
        vitals.check_ready()
    except Problem:
        return False
    return True


def test_five_failures_in_a_row_make_it_unready_for_a_while() -> None:
    clock = Clock()
    vitals = Vitals(slots=2, stuck_s=30, clock=clock)
    for _ in range(4):
        vitals.fail()
    assert is_ready(vitals)
    vitals.succeed()
    for _ in range(4):
        vitals.fail()
    assert is_ready(vitals)
    vitals.fail()
    assert not is_ready(vitals)
    clock.now += 11
    assert is_ready(vitals)
    vitals.fail()  # the first one after the rest: no better
    assert not is_ready(vitals)
    vitals.succeed()
    assert is_ready(vitals)
    assert vitals.failures == 10


def test_all_slots_lost() -> None:
    clock = Clock()
    vitals = Vitals(slots=2, stuck_s=30, clock=clock)
    vitals.lose_slot()
    clock.now += 100
    vitals.check_live()
    assert is_ready(vitals)
    vitals.lose_slot()
    assert not is_ready(vitals)
    clock.now += 29
    vitals.check_live()
    clock.now += 1
    with pytest.raises(Problem, match="Every slot"):
        vitals.check_live()
    vitals.regain_slot()
    vitals.check_live()
    assert is_ready(vitals)


def test_stopping() -> None:
    vitals = Vitals(slots=1, stuck_s=30)
    vitals.stopping = True
    assert not is_ready(vitals)
    vitals.check_live()
