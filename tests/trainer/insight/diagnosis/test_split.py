from __future__ import annotations

import dataclasses

import pytest

from tests.trainer.insight.diagnosis.curves import COMMANDS
from trainer.fitting import Recipe
from trainer.fitting.recipe.recipe import DataSource
from trainer.insight.diagnosis.split import class_missing, few_validation_images

DRAWN = dataclasses.replace(COMMANDS, recipe=Recipe(data=DataSource(path="photos", drawn=True)))
GIVEN = dataclasses.replace(COMMANDS, recipe=Recipe(data=DataSource(path="photos", valid="others")))


def test_a_class_on_one_side_only_is_told() -> None:
    assert class_missing({"a": 5, "b": 5}, {"a": 1, "b": 1}, classes=("a", "b"), commands=DRAWN) is None
    finding = class_missing({"a": 5, "b": 1}, {"a": 1}, classes=("a", "b"), commands=DRAWN)
    assert finding
    assert finding.evidence["missing"] == ["b"]
    assert finding.summary == "1 of 2 classes have no validation image, so nothing is measured on them ('b')."
    assert "--valid-share 0.4 " in finding.command
    finding = class_missing({"a": 5}, {"a": 1, "b": 1}, classes=("a", "b"), commands=GIVEN)
    assert finding
    assert "cannot be learned" in finding.summary
    assert "fit photos --valid others " in finding.command
    assert "--valid-share" not in finding.command


@pytest.mark.parametrize(
    ("right", "count", "confidence"),
    [(5, 7, "high"), (30, 30, "medium"), (36, 36, None), (86, 100, "medium"), (257, 296, None), (150, 300, "medium")],
)
def test_an_interval_wider_than_ten_points_means_little(right: int, count: int, confidence: str | None) -> None:
    finding = few_validation_images(right, count, commands=DRAWN)
    assert (finding.confidence if finding else None) == confidence


def test_the_interval_is_wilsons() -> None:
    finding = few_validation_images(86, 100, commands=DRAWN)
    assert finding
    assert finding.evidence["interval"] == pytest.approx([0.7786, 0.9147], abs=1e-4)
    assert "from 78 to 91 % (95 % interval)" in finding.summary
