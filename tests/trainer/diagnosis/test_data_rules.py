from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.trainer.diagnosis.cases import catalog_of, correct_of, evidence_of, nearest_of, predictions_of
from trainer.diagnosis.data_rules import class_missing, few_validation_images, near_duplicates, noisy_labels
from trainer.diagnosis.finding import Finding, Remedy
from trainer.recipe import DataSource, Recipe

DRAWN = Recipe(data=DataSource(path="photos", drawn=True))
HALF = Recipe(data=DataSource(path="photos", drawn=True), valid_fraction=0.5)
GIVEN = Recipe(data=DataSource(path="photos", valid="others"))
REGROUPED = catalog_of({"a": 1, "b": 1}, {"a": 1})
MORE = Remedy(command="fit", changes={"valid_fraction": 0.4})


def leak(similar: int, count: int, *, correct: int, few: bool = False, regrouped: Any = REGROUPED) -> Finding | None:
    """`similar` of `count` images have a near duplicate, the last ones; the last `correct` are predicted correctly."""
    similarities = np.linspace(0.1, 0.7, count)
    similarities[count - similar :] = np.linspace(0.76, 0.99, similar)
    nearest = nearest_of(similarities.tolist(), few=few)
    return near_duplicates(evidence_of(nearest=nearest, valid=correct_of(correct, count), regrouped=regrouped))


def missing(
    train: dict[str, int], valid: dict[str, int], *, lost: tuple[str, ...] = (), recipe: Recipe = DRAWN
) -> Finding | None:
    return class_missing(evidence_of(catalog=catalog_of(train, valid), lost_classes=lost, recipe=recipe))


def few(correct: int, count: int, *, recipe: Recipe = DRAWN) -> Finding | None:
    return few_validation_images(evidence_of(valid=correct_of(correct, count), recipe=recipe))


def test_near_duplicates_of_a_tenth_of_the_images_are_a_leak() -> None:
    assert leak(0, 100, correct=50) is None
    assert leak(9, 100, correct=50) is None
    finding = leak(10, 100, correct=55)
    assert finding
    assert finding.confidence == "medium"
    assert finding.evidence["fraction"] == pytest.approx(0.1)
    assert (finding.evidence["accuracy_with_near_duplicate"], finding.evidence["accuracy_without"]) == (1.0, 0.5)
    assert "(100 % of these images are predicted correctly, and 50 % of the others)" in finding.summary
    assert finding.evidence["pairs"][0] == "valid/99.jpg = train/99.jpg"
    assert len(finding.evidence["pairs"]) == 10
    assert finding.remedy == Remedy(command="fit", regrouped=True)


def test_among_few_images_a_leak_is_less_sure() -> None:
    """The rule was sure that a third of 72 different scans of digits were near duplicates."""
    some, many = leak(10, 100, correct=55, few=True), leak(30, 100, correct=55, few=True)
    assert some
    assert many
    assert (some.confidence, many.confidence) == ("low", "medium")
    assert "(among so few images, some may only seem similar: look at the pairs)" in some.summary


def test_two_images_are_no_leak_and_all_are() -> None:
    assert leak(2, 7, correct=7) is None
    finding = leak(7, 7, correct=7)
    assert finding
    assert finding.confidence == "high"
    assert finding.evidence["accuracy_without"] is None


def test_if_there_is_no_better_split_the_user_is_asked_for_other_images() -> None:
    split, none = leak(10, 100, correct=55), leak(10, 100, correct=55, regrouped=None)
    assert split
    assert none
    assert none.remedy is None
    assert none.summary == (
        f"{split.summary[:-1]}; no split can keep near duplicates together: validate on other images."
    )


def test_the_worst_suspects_are_listed() -> None:
    finding = noisy_labels(evidence_of(valid=predictions_of(wrong=6), train_subset=predictions_of(wrong=1)))
    assert finding
    assert (finding.evidence["validation_suspects"], finding.evidence["training_suspects"]) == (6, 1)
    assert finding.evidence["worst"][0] == "0.jpg: labelled 'b', looks like 'a' (0.90)"
    assert len(finding.evidence["worst"]) == 7
    assert finding.confidence == "low"
    assert finding.remedy == Remedy(command="fit")


def test_a_class_that_is_not_measured_is_reported() -> None:
    assert missing({"a": 5, "b": 5}, {"a": 1, "b": 1}) is None
    finding = missing({"a": 5, "b": 2}, {"a": 1})
    assert finding
    assert finding.evidence["missing"] == ["b"]
    assert finding.summary == (
        "1 of 2 classes have no validation image, so nothing is measured on them ('b'); add images of them or hold out "
        "more."
    )
    assert finding.remedy == MORE


def test_the_evidence_lists_every_class_that_is_missing() -> None:
    """The list ended at twenty classes: of 21, the report named eight "and 12 more"."""
    finding = missing({f"{number:02}": 5 for number in range(30)}, {"00": 1})
    assert finding
    assert finding.evidence["missing"] == [f"{number:02}" for number in range(1, 30)]
    assert "and 24 more" in finding.summary


def test_a_class_that_was_left_out_is_reported() -> None:
    """Its training images could not be decoded."""
    finding = missing({"a": 5, "b": 5}, {"a": 1, "b": 1}, lost=("c",))
    assert finding
    assert finding.evidence["missing"] == ["c"]
    assert finding.evidence["without_training_images"] == 1
    assert finding.summary == (
        "1 of 3 classes have no training image that can be decoded, so they were left out ('c'); replace these images."
    )
    assert finding.remedy is None


def test_no_remedy_is_given_that_cannot_change_the_finding() -> None:
    """The same images in the same splits would give it again."""
    for finding in (
        missing({"a": 5, "b": 5}, {"a": 1}, recipe=GIVEN),
        missing({"a": 5, "b": 1}, {"a": 1}),  # one image is for training, whatever the fraction
        missing({"a": 5, "b": 5}, {"a": 1}, recipe=HALF),
        few(5, 7, recipe=GIVEN),
        few(5, 7, recipe=HALF),
    ):
        assert finding
        assert finding.remedy is None
        assert finding.summary.endswith(" to validate on.")


@pytest.mark.parametrize(
    ("correct", "count", "confidence"),
    [(5, 7, "high"), (30, 30, "medium"), (36, 36, None), (86, 100, "medium"), (257, 296, None), (150, 300, "medium")],
)
def test_an_interval_wider_than_ten_points_means_little(correct: int, count: int, confidence: str | None) -> None:
    finding = few(correct, count)
    assert (finding.confidence if finding else None) == confidence


def test_the_interval_is_wilsons() -> None:
    finding = few(86, 100)
    assert finding
    assert finding.evidence["interval"] == pytest.approx([0.7786, 0.9147], abs=1e-4)
    assert "from 78 to 91 % (95 % interval)" in finding.summary
    assert finding.remedy == MORE


def test_an_interval_that_starts_at_nothing_does_not_start_below() -> None:
    """Rounding put it under 0."""
    finding = few(0, 22)
    assert finding
    assert "from 0 to 15 % (95 % interval)" in finding.summary
