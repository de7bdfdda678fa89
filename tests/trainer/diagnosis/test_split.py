from __future__ import annotations

import dataclasses

import pytest

from tests.trainer.diagnosis.curves import COMMANDS
from trainer.diagnosis.commands import Commands
from trainer.diagnosis.finding import Finding
from trainer.diagnosis.split import class_missing, few_validation_images
from trainer.recipe import DataSource, Recipe

DRAWN = dataclasses.replace(COMMANDS, recipe=Recipe(data=DataSource(path="photos", drawn=True)))
HALF = dataclasses.replace(COMMANDS, recipe=Recipe(data=DataSource(path="photos", drawn=True), valid_fraction=0.5))
GIVEN = dataclasses.replace(COMMANDS, recipe=Recipe(data=DataSource(path="photos", valid="others")))


def missing(
    trained: dict[str, int], valid: dict[str, int], *, lost: tuple[str, ...] = (), commands: Commands = DRAWN
) -> Finding | None:
    return class_missing(trained, valid, lost=lost, commands=commands)


def test_a_class_that_is_not_measured_is_told() -> None:
    assert missing({"a": 5, "b": 5}, {"a": 1, "b": 1}) is None
    finding = missing({"a": 5, "b": 2}, {"a": 1})
    assert finding
    assert finding.evidence["missing"] == ["b"]
    assert finding.summary == (
        "1 of 2 classes have no validation image, so nothing is measured on them ('b'); add images of them or hold out "
        "more."
    )
    assert "--valid-fraction 0.4 " in finding.command


def test_every_class_that_is_missing_stands_in_the_evidence() -> None:
    """Of 21 the report named eight "and 12 more": the list ended at twenty."""
    finding = missing({f"{number:02}": 5 for number in range(30)}, {"00": 1})
    assert finding
    assert finding.evidence["missing"] == [f"{number:02}" for number in range(1, 30)]
    assert "and 24 more" in finding.summary


def test_a_class_that_was_left_out_is_told() -> None:
    """Its training images could not be decoded."""
    finding = missing({"a": 5, "b": 5}, {"a": 1, "b": 1}, lost=("c",))
    assert finding
    assert finding.evidence["missing"] == ["c"]
    assert finding.evidence["without_training_images"] == 1
    assert finding.summary == (
        "1 of 3 classes have no training image that can be decoded, so they were left out ('c'); put sound images in "
        "their place."
    )
    assert finding.command == ""


def test_no_command_is_told_that_cannot_change_the_finding() -> None:
    """The same images on the same sides would give it again."""
    for finding in (
        missing({"a": 5, "b": 5}, {"a": 1}, commands=GIVEN),
        missing({"a": 5, "b": 1}, {"a": 1}),  # one image is for training, whatever the share
        missing({"a": 5, "b": 5}, {"a": 1}, commands=HALF),
        few_validation_images(5, 7, commands=GIVEN),
        few_validation_images(5, 7, commands=HALF),
    ):
        assert finding
        assert finding.command == ""
        assert finding.summary.endswith(" to validate on.")


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
    assert "--valid-fraction 0.4 " in finding.command


def test_an_interval_from_nothing_is_not_from_less() -> None:
    """Rounding put it under 0."""
    finding = few_validation_images(0, 22, commands=DRAWN)
    assert finding
    assert "from 0 to 15 % (95 % interval)" in finding.summary
