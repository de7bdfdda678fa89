from __future__ import annotations

import pytest

from tests.benchmarks.old_and_new import mean_ratio, table


def test_the_interval_is_that_of_students_t() -> None:
    ratio, low, high = mean_ratio([100.0, 100.0, 100.0], [100.0, 110.0, 121.0])
    assert ratio == pytest.approx(1.1)
    assert high / ratio == pytest.approx(ratio / low)
    # t of 2 degrees of freedom: 4.303; the standard deviation of the logarithms is log(1.1).
    assert high == pytest.approx(1.1 * 1.1 ** (4.30265 / 3**0.5))


def test_table() -> None:
    rates = {"raw": {"old": [100.0, 102.0, 104.0], "new": [100.0, 102.0, 104.0]}}
    assert table(rates).splitlines()[-1] == "| raw | 102.0 | 102.0 | 1.000 | 1.000 to 1.000 |"
