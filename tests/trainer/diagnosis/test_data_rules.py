from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from tests.trainer.diagnosis.cases import (
    catalog_of,
    correct_of,
    evidence_of,
    label_noise_of,
    nearest_of,
    predictions_of,
)
from trainer.catalog import Row
from trainer.diagnosis.data_rules import (
    class_missing,
    few_validation_images,
    near_duplicates,
    no_validation_images,
    noisy_labels,
)
from trainer.diagnosis.diagnose import diagnose
from trainer.diagnosis.finding import Finding, Remedy
from trainer.diagnosis.training_rules import prediction_collapse
from trainer.recipe import DataSource, Recipe

DRAWN = Recipe(data=DataSource(path="photos", drawn=True))
HALF = Recipe(data=DataSource(path="photos", drawn=True), valid_fraction=0.5)
GIVEN = Recipe(data=DataSource(path="photos", valid="others"))
SIMILAR_TOGETHER = Recipe(data=DataSource(path="photos", drawn=True, group_by="similar"))
MORE = Remedy(command="fit", changes={"valid_fraction": 0.4})


def leak(similar: int, count: int, *, correct: int, few: bool = False, **changes: Any) -> Finding | None:
    """`similar` of `count` images have a near duplicate, the last ones; the last `correct` are predicted correctly."""
    similarities = np.linspace(0.1, 0.7, count)
    similarities[count - similar :] = np.linspace(0.76, 0.99, similar)
    nearest = nearest_of(similarities.tolist(), few=few)
    return near_duplicates(evidence_of(nearest=nearest, valid=correct_of(correct, count), **changes))


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


def test_if_another_draw_would_not_help_the_user_is_asked_for_other_images() -> None:
    """It would make test images of the data training images, or it was made already."""
    split = leak(10, 100, correct=55)
    assert split
    catalog = evidence_of().catalog
    test_row = Row(path="test/a/1.jpg", labels=frozenset({"a"}), split="test")
    with_test = dataclasses.replace(catalog, rows=(*catalog.rows, test_row))
    for changes in ({"recipe": SIMILAR_TOGETHER}, {"catalog": with_test}):
        none = leak(10, 100, correct=55, **changes)
        assert none
        assert none.remedy is None
        assert none.summary == f"{split.summary[:-1]}; validate on images that were taken elsewhere."
    drawn = leak(10, 100, correct=55, catalog=with_test, recipe=DRAWN)  # a draw leaves test images alone
    assert drawn
    assert drawn.remedy == Remedy(command="fit", regrouped=True)


def test_without_validation_images_nobody_knows_how_good_the_model_is() -> None:
    assert no_validation_images(evidence_of()) is None
    nothing = evidence_of(valid=correct_of(0, 0), nearest=nearest_of([]), catalog=catalog_of({"a": 5, "b": 5}, {}))
    finding = no_validation_images(nothing)
    assert finding
    assert finding.confidence == "high"
    assert finding.evidence == {"training_images": 10}
    assert finding.remedy == Remedy(command="fit", changes={"split": "random"})
    assert [found.name for found in diagnose(nothing)] == ["no-validation-images"]


def test_without_validation_images_training_images_show_wrong_labels_and_a_collapse() -> None:
    nothing = {
        "valid": correct_of(0, 0),
        "nearest": nearest_of([]),
        "catalog": catalog_of({"a": 5, "b": 5, "c": 5}, {}),
    }
    noise = dataclasses.replace(label_noise_of(train=6), valid_count=0)
    noisy = noisy_labels(evidence_of(**nothing, label_noise=noise))
    assert noisy
    assert "another class for 6 of 60 training images; look" in noisy.summary
    same = predictions_of(wrong=0)
    same.probabilities[:] = [0.9, 0.05, 0.05]
    collapse = prediction_collapse(evidence_of(**nothing, train_subset=same))
    assert collapse
    assert collapse.summary.startswith("100 % of the training images are predicted as 'a'")


def test_the_worst_suspects_are_listed() -> None:
    assert noisy_labels(evidence_of()) is None
    finding = noisy_labels(evidence_of(label_noise=label_noise_of(train=1, valid=6)))
    assert finding
    assert (finding.evidence["validation_suspects"], finding.evidence["training_suspects"]) == (6, 1)
    assert finding.evidence["worst"][0] == "train/0.jpg: labelled 'b', looks like 'a' (0.90)"
    assert len(finding.evidence["worst"]) == 7
    assert finding.confidence == "high"
    assert finding.remedy == Remedy(command="clean")


def test_a_class_that_is_not_measured_is_reported() -> None:
    assert missing({"a": 5, "b": 5}, {"a": 1, "b": 1}) is None
    finding = missing({"a": 5, "b": 2}, {"a": 1})
    assert finding
    assert finding.evidence["missing"] == ["b"]
    assert finding.summary == (
        "1 of 2 classes has no validation image, so nothing is measured on them ('b'); add images of them or hold out "
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
        "1 of 3 classes has no training image that can be decoded, so it was left out ('c'); replace these images."
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
