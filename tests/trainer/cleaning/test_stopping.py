"""When a person is advised to stop."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from trainer.cleaning.session import KEPT, NONE, RELABELLED, REMOVED
from trainer.cleaning.stopping import right_in_a_row, stop_line

_CODES = {".": NONE, "k": KEPT, "r": RELABELLED, "x": REMOVED}


def statuses(text: str, *, left: int = 0) -> npt.NDArray[np.uint8]:
    return np.array([*(_CODES[code] for code in text), *[NONE] * left], dtype=np.uint8)


@pytest.mark.parametrize(
    ("decided", "count"), [("", 0), ("kkk", 3), ("rkk", 2), ("kkr", 0), ("xk..k.", 2), ("....", 0), ("kxrk", 1)]
)
def test_what_was_right_since_the_last_fault_is_counted(decided: str, count: int) -> None:
    assert right_in_a_row(statuses(decided)) == count


def test_the_line_comes_after_five_and_goes_with_the_next_fault() -> None:
    assert stop_line(statuses("rkkkk", left=100), expected=10) is None
    assert stop_line(statuses("rkkkkk", left=100), expected=10) is not None
    assert stop_line(statuses("rkkkkkx", left=100), expected=10) is None
    assert stop_line(statuses("kkkkkk"), expected=10) is None  # nothing is left


def test_the_two_estimates_bound_each_other() -> None:
    many = statuses("r" * 12 + "k" * 12, left=298)
    assert stop_line(many, expected=15) == "The last 12 were right; about 3 of the 298 left are wrong."
    assert stop_line(many, expected=13) == "The last 12 were right; about 1 of the 298 left is wrong."
    assert stop_line(many, expected=100) == "The last 12 were right; about 21 of the 298 left are wrong."
    assert stop_line(many, expected=None) == "The last 12 were right; about 21 of the 298 left are wrong."
    assert stop_line(many, expected=5) == "The last 12 were right; probably hardly any of the 298 left is wrong."
