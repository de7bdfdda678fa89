from __future__ import annotations

import math

import numpy as np
import pytest

from tests.benchmarks.training.standard_error import clustered_mean


def test_if_every_value_is_a_cluster_it_is_the_usual_error() -> None:
    values = [0.0, 1.0, 1.0, 3.0, 7.0]
    mean, error = clustered_mean(values, [*"abcde"])
    assert mean == pytest.approx(2.4)
    assert error == pytest.approx(np.std(values, ddof=1) / 5**0.5)


def test_copies_of_a_value_do_not_make_the_error_smaller() -> None:
    values, names = [0.0, 1.0, 1.0, 3.0, 7.0], [*"abcde"]
    assert clustered_mean(values * 4, names * 4) == pytest.approx(clustered_mean(values, names))


def test_the_error_is_the_standard_deviation_of_such_means() -> None:
    random = np.random.default_rng(0)
    clusters = np.repeat(np.arange(200), random.integers(1, 10, 200))
    names = [str(cluster) for cluster in clusters]
    found = [
        clustered_mean((random.normal(size=200)[clusters] + random.normal(size=len(clusters))).tolist(), names)
        for _ in range(300)
    ]
    means, errors = np.array(found).T
    assert np.mean(errors) == pytest.approx(np.std(means), rel=0.1)


def test_the_error_of_a_single_cluster_is_unknown() -> None:
    assert math.isnan(clustered_mean([0.0, 1.0], ["a", "a"])[1])
