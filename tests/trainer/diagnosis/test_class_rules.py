from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tests.trainer.diagnosis.cases import catalog_of, evidence_of
from trainer.diagnosis.class_rules import class_never_predicted, class_taken_for_another
from trainer.diagnosis.evidence import Evidence
from trainer.diagnosis.finding import Remedy
from trainer.diagnosis.predictions import Predictions

CLASSES = ("ant", "bee", "cat")


def seen(called: Mapping[str, Sequence[str]], *, train: Mapping[str, int] | None = None) -> Evidence:
    """Validation images of each class, and what the model calls each of them, with more and more certainty."""
    pairs = [(label, other) for label, others in called.items() for other in others]
    probabilities = np.zeros((len(pairs), 3))
    for number, (_, other) in enumerate(pairs):
        probabilities[number] = 0.1
        probabilities[number, CLASSES.index(other)] = 0.5 + number / 100
    valid = Predictions(
        names=[f"{label}/{number}.jpg" for number, (label, _) in enumerate(pairs)],
        probabilities=probabilities,
        targets=np.array([CLASSES.index(label) for label, _ in pairs]),
    )
    counts = {label: len(others) for label, others in called.items()}
    return evidence_of(valid=valid, catalog=catalog_of(train or dict.fromkeys(CLASSES, 20), counts))


def test_a_class_that_is_always_taken_for_another_is_reported_with_its_photos() -> None:
    """All six photos of one class were called another, and nothing said so."""
    finding = class_taken_for_another(seen({"ant": ["bee"] * 6, "bee": ["bee"] * 6, "cat": ["cat"] * 5 + ["bee"]}))
    assert finding
    assert finding.confidence == "high"
    assert finding.summary.startswith("all 6 photos of 'ant' are called 'bee'; look at these photos: ")
    assert finding.evidence["taken_classes"] == ["ant -> bee: 6 of 6"]
    assert finding.evidence["photos"] == [f"ant/{number}.jpg" for number in (5, 4, 3, 2, 1, 0)]


def test_most_of_a_few_photos_are_less_certain() -> None:
    finding = class_taken_for_another(seen({"ant": ["cat"] * 3, "bee": ["bee"] * 4, "cat": ["cat"] * 4}))
    assert finding
    assert finding.confidence == "medium"
    finding = class_taken_for_another(seen({"ant": ["cat"] * 4 + ["ant"], "bee": ["bee"] * 5, "cat": ["cat"] * 5}))
    assert finding
    assert finding.summary.startswith("4 of 5 photos of 'ant' are called 'cat'")


def test_mixed_mistakes_and_too_few_photos_are_not_reported() -> None:
    right = {"bee": ["bee"] * 6, "cat": ["cat"] * 6}
    for mistakes in (["bee"] * 3 + ["cat"] * 3, ["bee"] * 2, ["bee"] * 4 + ["ant"] * 2):
        assert class_taken_for_another(seen({"ant": mistakes, **right})) is None


def test_a_collapse_is_not_reported_twice() -> None:
    collapsed = seen(dict.fromkeys(CLASSES, ["bee"] * 6))
    assert class_taken_for_another(collapsed) is None
    assert class_never_predicted(collapsed) is None


def test_a_class_that_is_never_predicted_is_reported() -> None:
    called = {"ant": ["bee"] * 3 + ["cat"] * 3, "bee": ["bee"] * 6, "cat": ["cat"] * 6}
    finding = class_never_predicted(seen(called))
    assert finding
    assert finding.confidence == "high"
    assert finding.summary.startswith("1 of 3 classes are never predicted: 'ant' (20 training, 6 validation images); ")
    assert finding.remedy is None
    rare = class_never_predicted(seen(called, train={"ant": 4, "bee": 20, "cat": 20}))
    assert rare
    assert rare.remedy == Remedy(command="fit", changes={"balance": "sampler"})
    once = {"ant": ["bee"] * 6, "bee": ["ant"] + ["bee"] * 6, "cat": ["cat"] * 6}
    assert class_never_predicted(seen(once)) is None
    assert class_never_predicted(seen({"ant": ["bee"] * 2, "bee": ["bee"] * 6, "cat": ["cat"] * 6})) is None
