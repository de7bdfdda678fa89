from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from service.prediction import Label
from service.web.telemetry.drift import WINDOW, Drift, Reference, population_stability_index

METRICS = {
    "reference": {
        "class_fractions": [0.5, 0.3, 0.2],
        "confidence_counts": [10, 30, 60],
        "confidence_edges": [0.0, 0.5, 0.9, 1.0],
    }
}


def label(index: int, probability: float) -> Label:
    return Label(label="x", index=index, probability=probability)


def add(drift: Drift, index: int, probability: float) -> None:
    best = label(index, probability)
    drift.add([best], best)


def make_drift() -> Drift:
    reference = Reference.from_metrics(METRICS, class_count=3)
    assert reference is not None
    return Drift(reference)


def test_the_index_follows_the_formula() -> None:
    """Siddiqi 2017, Intelligent Credit Scoring: for large counts the prior of half an image does not matter."""
    actual, expected = np.array([0.2, 0.5, 0.3]), np.array([0.4, 0.4, 0.2])
    by_hand = sum((a - e) * math.log(a / e) for a, e in zip(actual, expected, strict=True))
    assert population_stability_index(1e9 * actual, 1e9 * expected) == pytest.approx(by_hand)
    assert population_stability_index(actual, actual) == 0
    assert math.isfinite(population_stability_index(np.array([1.0, 0.0]), np.array([0.0, 1.0])))


def test_predictions_like_the_reference_are_within_chance() -> None:
    drift = make_drift()
    random = np.random.default_rng(0)
    for _ in range(1000):
        probability = random.choice([0.3, 0.7, 0.95], p=[0.1, 0.3, 0.6])
        add(drift, int(random.choice(3, p=[0.5, 0.3, 0.2])), float(probability))
    for index in drift.indices().values():
        assert 0 <= index.value < 4 * index.by_chance < 0.1
        assert index.by_chance == pytest.approx(2 * (1 / 1000 + 1 / 100))


def test_the_index_by_chance_is_its_mean() -> None:
    """Also if most bins are empty, like those of the confidence: of three classes none best is under a third."""
    random, shares = np.random.default_rng(0), np.array([0, 0, 0, 0.1, 0.2, 0.3, 0.4])
    values, expected = [], []
    for _ in range(100):
        reference = Reference.from_metrics(
            {
                "reference": {
                    "class_fractions": [1.0, 0.0, 0.0],
                    "confidence_counts": random.multinomial(300, shares).tolist(),
                    "confidence_edges": np.linspace(0, 1, 8).tolist(),
                }
            },
            class_count=3,
        )
        assert reference is not None
        drift = Drift(reference)
        for probability in random.choice(np.linspace(0, 1, 8)[1:] - 0.05, p=shares, size=300):
            add(drift, 0, float(probability))
        found = drift.indices()
        values.append(found["confidence"].value)
        expected.append(found["confidence"].by_chance)
        assert (found["class"].value, found["class"].by_chance) == (0, 0)
    assert expected == [pytest.approx(3 * (1 / 300 + 1 / 300))] * 100
    assert np.mean(values) == pytest.approx(expected[0], rel=0.2)


def test_other_predictions_are_not_within_chance() -> None:
    drift = make_drift()
    for _ in range(200):
        add(drift, 2, 0.2)
    found = drift.indices()
    assert found["class"].value > 1
    assert found["confidence"].value > 1


def test_only_the_latest_predictions_count() -> None:
    drift = make_drift()
    for number in range(3 * WINDOW):
        like_the_reference = (0, 0, 0, 0, 0, 1, 1, 1, 2, 2)[number % 10]
        add(drift, 2 if number < 2 * WINDOW else like_the_reference, 1.0)
    assert drift.prediction_count == WINDOW
    assert drift.indices()["class"].value < 0.001


def test_every_label_of_a_multilabel_prediction_counts() -> None:
    drift = make_drift()
    drift.add([label(1, 1.0), label(0, 0.6)], label(1, 1.0))
    assert drift.indices()["class"].by_chance == pytest.approx(2 * (1 / 2 + 1 / 100))
    drift.add([], label(1, 0.0))
    assert drift.indices()["class"].by_chance == pytest.approx(2 * (1 / 2 + 1 / 100))


def test_no_predictions_no_index() -> None:
    assert all(math.isnan(index.value) for index in make_drift().indices().values())


@pytest.mark.parametrize(
    "change",
    [
        {"class_fractions": [0.5, 0.5]},
        {"class_fractions": "many"},
        {"class_fractions": [0.5, 0.7, -0.2]},
        {"confidence_counts": [0, 0, 0]},
        {"confidence_counts": [1, 2]},
        {"confidence_counts": [[1], [2], [3]]},
        {"confidence_edges": [0.0, 0.9, 0.5, 1.0]},
        {"confidence_edges": None},
    ],
)
def test_an_invalid_reference_is_ignored(change: dict[str, Any]) -> None:
    assert Reference.from_metrics({"reference": {**METRICS["reference"], **change}}, class_count=3) is None
    assert Reference.from_metrics({"reference": []}, class_count=3) is None
    assert Reference.from_metrics({}, class_count=3) is None
