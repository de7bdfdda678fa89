from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.benchmarks.environment import ROOT
from tests.benchmarks.pairs import Checkout, in_turns, mean_ratio, table_row


def test_the_interval_is_that_of_students_t() -> None:
    ratio, low, high = mean_ratio([100.0, 100.0, 100.0], [100.0, 110.0, 121.0])
    assert ratio == pytest.approx(1.1)
    assert high / ratio == pytest.approx(ratio / low)
    # t of 2 degrees of freedom: 4.303; the standard deviation of the logarithms is log(1.1).
    assert high == pytest.approx(1.1 * 1.1 ** (4.30265 / 3**0.5))


def test_a_row_has_medians_and_the_ratio() -> None:
    speeds = [100.0, 102.0, 104.0]
    assert table_row("raw", speeds, speeds) == "| raw | 102.0 | 102.0 | 1.000 | 1.000 to 1.000 |"


def test_old_and_new_take_turns_in_going_first() -> None:
    assert list(in_turns(3)) == ["old", "new", "new", "old", "old", "new"]


def test_a_checkout_must_import_its_own_package(tmp_path: Path) -> None:
    Checkout(folder=ROOT, python=Path(sys.executable)).require("service")
    with pytest.raises(SystemExit, match="does not import"):
        Checkout(folder=tmp_path, python=Path(sys.executable)).require("no_such_package")
    with pytest.raises(SystemExit, match="does not import"):
        Checkout(folder=tmp_path, python=Path(sys.executable)).require("json")
