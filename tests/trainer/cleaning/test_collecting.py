"""What to collect next, from generated features: clusters, some of them hard to tell apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from trainer.cleaning.collecting import Collecting, what_to_collect

CLASSES = tuple(f"class {number}" for number in range(8))
HARD = {6, 7}
Values = npt.NDArray[Any]


def photos(*, count: int = 480, valid: int = 160, seed: int = 0) -> tuple[Values, Values, Values]:
    """Features, labels, and which images are for validation; the last two classes are nearly alike."""
    random = np.random.default_rng(seed)
    targets = np.arange(count) % len(CLASSES)
    centres = random.normal(size=(len(CLASSES), 64))
    centres[7] = centres[6] + random.normal(size=64) * 0.35
    features = centres[targets] * 1.2 + random.normal(size=(count, 64))
    is_valid = np.zeros(count, dtype=np.bool_)
    is_valid[:valid] = True
    return features.astype(np.float16), targets, is_valid


def collect(features: Values, targets: Values, is_valid: Values, **more: Any) -> Collecting:
    return what_to_collect(features, targets, class_count=len(CLASSES), is_train=~is_valid, is_valid=is_valid, **more)


@pytest.fixture(scope="module")
def standard() -> Collecting:
    """What is found in the photos."""
    return collect(*photos())


def test_the_classes_that_are_mistaken_are_named_with_a_gain_and_its_interval(standard: Collecting) -> None:
    found = standard
    assert {wanted.index for wanted in found.wanted[:2]} == HARD
    for wanted in found.wanted:
        low, high = wanted.interval
        assert 0 <= low < wanted.gain < high <= 1
        assert wanted.train_count == 40
        assert wanted.valid_count == 20
    first = found.advice(CLASSES)[0]
    assert first["label"] in ("class 6", "class 7")
    assert first["images"] == 40
    recognized = round(20 * found.wanted[0].accuracy)
    assert first["sentence"].startswith(
        f"Recognized: {recognized} of its 20 validation images. With 40 more photos of other scenes: about "
    )
    assert found.remark == ""


def test_accuracy_rises_with_the_images_and_twice_as_many_are_predicted(standard: Collecting) -> None:
    curve = standard.curve
    assert [point.images for point in curve] == [80, 160, 320, 640]
    assert [point.is_predicted for point in curve] == [False, False, False, True]
    accuracies = [point.accuracy for point in curve]
    assert accuracies == sorted(accuracies)
    assert accuracies[3] - accuracies[2] <= accuracies[2] - accuracies[0]
    assert all(low <= point.accuracy <= high for point in curve for low, high in [point.interval])


def test_the_prediction_comes_true_on_images_that_were_held_back() -> None:
    features, targets, is_valid = photos(count=640)
    is_held_back = np.arange(640) >= 400
    before = what_to_collect(
        features, targets, class_count=8, is_train=~is_valid & ~is_held_back, is_valid=is_valid
    ).curve
    after = collect(features, targets, is_valid).curve
    assert before[-1].images == after[-2].images == 480
    assert before[-1].accuracy == pytest.approx(after[-2].accuracy, abs=0.04)


def test_the_errors_of_a_trained_network_take_the_place_of_those_of_heads() -> None:
    features, targets, is_valid = photos()
    predicted = targets.copy()
    predicted[targets == 2] = 3
    found = collect(features, targets, is_valid, predicted=predicted)
    assert [wanted.index for wanted in found.wanted] == [2]
    assert found.wanted[0].accuracy == 0
    assert found.advice(CLASSES)[0]["sentence"].startswith("Recognized: 0 of its 20 validation images.")


def test_a_network_without_a_mistake_needs_nothing() -> None:
    features, targets, is_valid = photos()
    found = collect(features, targets, is_valid, predicted=targets)
    assert found.wanted == ()
    assert "would gain more than the others" in found.remark


def test_with_few_validation_images_nothing_is_guessed() -> None:
    found = collect(*photos(valid=20))
    assert (found.curve, found.wanted) == ((), ())
    assert found.remark == "There are 20 validation images with labels; 30 are needed to say what would help."
    assert found.to_json(CLASSES) == {"curve": [], "advice": [], "remark": found.remark}


def test_a_class_with_two_validation_images_is_not_judged() -> None:
    features, targets, is_valid = photos()
    is_valid[np.flatnonzero(is_valid & (targets == 7))[2:]] = False
    assert 7 not in {wanted.index for wanted in collect(features, targets, is_valid).wanted}


def test_more_photos_of_noise_do_not_help_and_it_says_so() -> None:
    features, targets, is_valid = photos()
    noise = np.random.default_rng(3).normal(size=features.shape).astype(np.float16)
    found = collect(noise, targets, is_valid)
    assert found.wanted == ()
    assert "no gain from more photos was seen" in found.remark
    assert len(found.curve) == 4


def test_several_labels_an_image() -> None:
    features, targets, is_valid = photos()
    labels = np.zeros((len(targets), 9), dtype=np.float32)
    labels[np.arange(len(targets)), targets] = 1
    labels[targets < 4, 8] = 1
    found = what_to_collect(features, labels, class_count=9, is_train=~is_valid, is_valid=is_valid)
    assert {wanted.index for wanted in found.wanted[:2]} == HARD
    assert 8 not in {wanted.index for wanted in found.wanted}
    accuracies = [point.accuracy for point in found.curve]
    assert accuracies == sorted(accuracies)


@pytest.mark.parametrize("labelled", [0, 1])
def test_several_labels_an_image_but_hardly_any_is_there(labelled: int) -> None:
    features, targets, is_valid = photos(count=160, valid=80)
    labels = np.zeros((len(targets), 8), dtype=np.float32)
    labels[:labelled, 0] = 1
    labels[~is_valid, targets[~is_valid]] = 1
    found = collect(features, labels, is_valid)
    assert found.remark.startswith(f"There are {labelled} validation images with labels")


def test_images_without_features_are_left_out() -> None:
    features, targets, is_valid = photos()
    features[[3, 300]] = np.nan
    found = collect(features, targets, is_valid)
    assert found.curve[-2].images == 319
    assert {wanted.index for wanted in found.wanted[:2]} == HARD


def test_the_same_seed_gives_the_same_advice() -> None:
    first, second = (collect(*photos(count=240, valid=80), seed=5) for _ in range(2))
    assert first == second


def test_many_images_are_divided_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.cleaning.learning_curve._MOST_SAMPLED", 160)
    found = collect(*photos())
    assert [point.images for point in found.curve] == [40, 80, 160, 320, 640]
    assert {wanted.index for wanted in found.wanted[:2]} == HARD
    assert found.wanted[0].train_count == 40
