"""The draws and the table of `few_photos`; what it measures is in README.md."""

from __future__ import annotations

import re

import pytest

from tests.benchmarks.few_photos import corrected_limit, draw, report
from tests.benchmarks.training.results import Values

# Photos to train on, then others to evaluate on.
TRAIN = ["apple"] * 40 + ["juice"] * 30 + ["milk"] * 6 + ["only for training"] * 50
LABELS = [*TRAIN, *["apple", "juice", "milk"] * 4]


def values(*, head: str, last: str, epochs: int = 3, prefix: str = "") -> Values:
    paths = [f"{prefix}{number}.jpg" for number in range(len(head))]
    key = {"photos": 20, "classes": 2, "epochs": epochs, "steps": 3, "lr": 5e-4}
    return {**key, "head": head, "last": last, "paths": paths}


def test_photos_are_drawn_evenly_and_no_photo_is_trained_and_evaluated_on() -> None:
    for seed in range(5):
        cell = draw(LABELS, len(TRAIN), photos=20, classes=2, seed=seed)
        assert list(cell.classes) == ["apple", "juice"]  # milk has too few photos
        assert [sum(LABELS[each] == name for each in cell.train) for name in cell.classes] == [10, 10]
        assert not set(cell.train) & set(cell.evaluated)
        assert {LABELS[each] for each in cell.evaluated} == set(cell.classes)
        assert len(cell.evaluated) == 70 - 20 + 8
        assert cell == draw(LABELS, len(TRAIN), photos=20, classes=2, seed=seed)


def test_a_class_with_too_few_photos_gives_all_it_has_only_if_there_is_no_other() -> None:
    cell = draw(LABELS, len(TRAIN), photos=60, classes=3, seed=0)
    assert [sum(LABELS[each] == name for each in cell.train) for name in cell.classes] == [27, 27, 6]


def test_a_cell_that_is_worse_than_the_head_is_named() -> None:
    good = [values(head="1100" * 20, last="1110" * 20, epochs=12)]
    bad = [values(head="1110" * 20, last="1000" * 20, prefix=str(seed)) for seed in range(2)]
    table = report([*good, *bad])
    assert "| 20 | 2 | 3 | 3 | 0.0005 | 75.0 % | 25.0 % | -50.0 ± 4.0 |" in table
    assert re.search(r"standard errors: 20 photos of 2 classes, 3 epochs \(1 of 2\)$", table)
    assert "| +0.0 ± 0.0 | +0.0 |" in report([values(head="10" * 9, last="10" * 9)])


def test_the_limit_grows_with_the_number_of_cells() -> None:
    assert corrected_limit(1) == pytest.approx(2)
    assert corrected_limit(36) == pytest.approx(3.22, abs=0.01)
