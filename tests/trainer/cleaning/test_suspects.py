"""Suspects among generated features: clusters, with planted faults."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from trainer.cleaning.suspects import find_suspects

CLASSES = ("ant", "bee", "cat", "dog")
COUNT = 240


def clusters(
    *, count: int = COUNT, width: int = 48, seed: int = 0
) -> tuple[npt.NDArray[np.float16], npt.NDArray[np.int64]]:
    """Features in four clusters, and the cluster of each."""
    random = np.random.default_rng(seed)
    targets = np.arange(count) % len(CLASSES)
    centres = random.normal(size=(len(CLASSES), width)) * 2
    return (centres[targets] + random.normal(size=(count, width))).astype(np.float16), targets


def flipped(targets: npt.NDArray[np.int64], *, count: int = 12) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Labels of which some are wrong, and the positions of these."""
    wrong = np.random.default_rng(1).choice(len(targets), count, replace=False)
    labels = targets.copy()
    labels[wrong] = (labels[wrong] + 1) % len(CLASSES)
    return labels, np.sort(wrong)


def test_wrong_labels_come_first_with_the_right_one_and_a_reason() -> None:
    features, targets = clusters()
    labels, wrong = flipped(targets)
    found = find_suspects(features, labels, class_count=4)
    suspects = found.suspects["wrong"]
    assert len(suspects) == COUNT
    assert sorted(suspects.positions[:12]) == wrong.tolist()
    assert (suspects.labels[:12] == labels[suspects.positions[:12]]).all()
    assert (suspects.proposals[:12] == targets[suspects.positions[:12]]).all()
    assert np.median(suspects.probabilities[:12]) > 0.5
    assert suspects.scores[0] == 1
    assert (np.diff(suspects.scores) <= 0).all()
    assert abs(found.expected["wrong"] - 12) <= 3
    assert found.probabilities.shape == (COUNT, 4)
    reason = suspects.reason(0, classes=CLASSES)
    label, proposal = CLASSES[suspects.labels[0]], CLASSES[suspects.proposals[0]]
    assert reason.startswith(f"A model that has not seen it says '{proposal}', not '{label}' (")
    assert reason.endswith(f"% of similar images are '{proposal}'.")


def test_right_labels_give_few_expected_faults() -> None:
    features, targets = clusters()
    assert find_suspects(features, targets, class_count=4).expected["wrong"] <= 2


def test_the_same_seed_gives_the_same_suspects() -> None:
    features, targets = clusters()
    labels, _ = flipped(targets)
    first, second = (find_suspects(features, labels, class_count=4, seed=3).suspects["wrong"] for _ in range(2))
    assert (first.positions == second.positions).all()


def test_validation_and_test_images_are_judged_too() -> None:
    features, targets = clusters()
    labels, wrong = flipped(targets)
    is_train = np.arange(COUNT) % 3 > 0
    assert (~is_train[wrong]).any()
    found = find_suspects(features, labels, class_count=4, is_train=is_train)
    assert sorted(found.suspects["wrong"].positions[:12]) == wrong.tolist()


def test_labels_of_other_splits_are_not_learned() -> None:
    features, targets = clusters()
    is_train = np.arange(COUNT) % 3 > 0
    other = np.where(is_train, targets, (targets + 1) % 4)
    right, wrong = (find_suspects(features, each, class_count=4, is_train=is_train) for each in (targets, other))
    assert np.array_equal(right.probabilities.argmax(axis=1), targets)
    assert np.array_equal(wrong.probabilities.argmax(axis=1), targets)


def test_near_duplicates_with_the_same_wrong_label_do_not_vouch_for_each_other() -> None:
    features, targets = clusters(count=1200)
    labels = targets.copy()
    same = np.arange(0, 1200, 100)
    features[same] = features[0]
    labels[same] = 1
    found = find_suspects(features, labels, class_count=4)
    assert len(set(found.groups[same])) == 1
    assert set(found.suspects["wrong"].positions[:12]) == set(same)


def test_images_of_nothing_are_off_topic() -> None:
    features, targets = clusters()
    strange = np.array([5, 77, 150])
    features[strange] = np.random.default_rng(9).normal(size=(3, features.shape[1])) * 4
    found = find_suspects(features, targets, class_count=4).suspects["off-topic"]
    assert set(found.positions[:3]) == set(strange)
    assert found.proposals[0] == -1
    assert "unlike the images of every class" in found.reason(0, classes=CLASSES)


def test_a_missing_and_a_surplus_label_are_found() -> None:
    features, targets = clusters()
    labels = np.zeros((COUNT, 5), dtype=np.float32)
    labels[np.arange(COUNT), targets] = 1
    labels[targets < 2, 4] = 1  # half of the classes have a second label
    missing, surplus = np.array([0, 60, 121, 180]), np.array([2, 63, 122, 183])
    labels[missing, 4], labels[surplus, 4] = 0, 1
    found = find_suspects(features, labels, class_count=5)
    lacking, excess = found.suspects["missing"], found.suspects["surplus"]
    assert set(lacking.positions[:4]) == set(missing)
    assert lacking.proposals[:4].tolist() == [4] * 4
    assert lacking.labels[:4].tolist() == [-1] * 4
    assert set(excess.positions[:4]) == set(surplus)
    assert excess.labels[:4].tolist() == [4] * 4
    assert excess.proposals[:4].tolist() == [-1] * 4
    assert abs(found.expected["missing"] - 4) <= 4
    assert abs(found.expected["surplus"] - 4) <= 4
    classes = (*CLASSES, "wings")
    assert "says 'wings' (" in lacking.reason(0, classes=classes)
    assert "finds no 'wings' (" in excess.reason(0, classes=classes)


def test_images_with_no_label_or_with_all_are_in_one_list_only() -> None:
    features, targets = clusters()
    labels = np.eye(4, dtype=np.float32)[targets]
    labels[0], labels[1] = 0, 1
    found = find_suspects(features, labels, class_count=4)
    assert 0 not in found.suspects["surplus"].positions
    assert 1 not in found.suspects["missing"].positions


def test_images_without_features_are_left_out() -> None:
    features, targets = clusters()
    features[[3, 8]] = np.nan
    features[9, 0] = np.inf
    found = find_suspects(features, targets, class_count=4)
    for suspects in found.suspects.values():
        assert not {3, 8, 9} & set(suspects.positions.tolist())
        assert len(suspects) == COUNT - 3
    assert found.groups[[3, 8, 9]].tolist() == [-1] * 3
    assert np.isnan(found.probabilities[3]).all()


def test_a_class_of_one_image_is_not_called_wrong() -> None:
    features, targets = clusters()
    labels = targets.copy()
    labels[7] = 4
    found = find_suspects(features, labels, class_count=5)
    assert 7 not in found.suspects["wrong"].positions
    assert len(found.suspects["wrong"]) == COUNT - 1


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 9])
def test_few_images(count: int) -> None:
    features, targets = clusters(count=12)
    found = find_suspects(features[:count], targets[:count], class_count=4)
    assert len(found.groups) == len(found.probabilities) == count
    for suspects in found.suspects.values():
        assert np.isfinite(suspects.scores).all()
        assert all(suspects.reason(number, classes=CLASSES) for number in range(len(suspects)))


def test_images_that_are_all_the_same() -> None:
    features, targets = clusters()
    found = find_suspects(np.ones_like(features), targets, class_count=4)
    assert all(np.isfinite(suspects.scores).all() for suspects in found.suspects.values())
