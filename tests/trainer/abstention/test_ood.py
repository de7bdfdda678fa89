from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from trainer.abstention.ood import (
    FEWEST_IMAGES,
    NetworkOutputs,
    entropies,
    fit_ood,
    label_groups,
    ood_threshold,
    with_entropy,
)

WIDTH = 40


def images(count: int, *, seed: int, classes: int = 3, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Features of images of a few classes, which vary in some directions; `shift` is in another one."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(7).normal(size=(classes, WIDTH))
    labels = random.integers(0, classes, count)
    features = centres[labels] + random.normal(size=(count, 4)) @ np.random.default_rng(8).normal(size=(4, WIDTH)) / 4
    features += 0.02 * random.normal(size=features.shape)
    features[:, -1] += shift
    return features, labels


def auc(known: np.ndarray, strange: np.ndarray) -> float:
    return float(roc_auc_score(np.repeat([0, 1], [len(known), len(strange)]), np.concatenate([known, strange])))


def test_an_image_that_differs_in_a_direction_in_which_no_image_varies_is_strange() -> None:
    statistics = fit_ood(*images(500, seed=0))
    known, strange = (statistics.distances(images(200, seed=1, shift=shift)[0]) for shift in (0.0, 0.5))
    assert auc(known, strange) > 0.999


def test_an_image_between_the_classes_is_strange() -> None:
    features, labels = images(500, seed=0)
    statistics = fit_ood(features, labels)
    known, _ = images(200, seed=1)
    between = (known[:100] + known[100:])[labels[:100] >= 0] / 2
    is_between = images(200, seed=1)[1][:100] != images(200, seed=1)[1][100:]
    assert auc(statistics.distances(known), statistics.distances(between[is_between])) > 0.999


def test_the_length_of_the_features_says_nothing() -> None:
    features, labels = images(300, seed=0)
    statistics = fit_ood(features, labels)
    np.testing.assert_allclose(statistics.distances(features), statistics.distances(100 * features), rtol=1e-6)


def test_other_images_of_the_classes_are_as_near_as_those_that_were_learned() -> None:
    features, labels = images(2000, seed=0)
    statistics = fit_ood(features, labels)
    learned, others = (statistics.distances(each).mean() for each in (features, images(2000, seed=1)[0]))
    assert others == pytest.approx(learned, rel=0.1)


@pytest.mark.parametrize(
    ("features", "groups"),
    [
        pytest.param(np.zeros((1, 8)), np.zeros(1, dtype=np.int64), id="one image without features"),
        pytest.param(np.ones((5, 8)), np.zeros(5, dtype=np.int64), id="all the same"),
        pytest.param(np.eye(8)[:5], np.arange(5), id="as many classes as images"),
        pytest.param(np.ones((50, 1)), np.arange(50) % 2, id="one feature"),
        pytest.param(
            np.random.default_rng(0).normal(size=(30, 200)), np.arange(30) % 9 * 10, id="more features than images"
        ),
    ],
)
def test_the_scores_are_numbers(features: np.ndarray, groups: np.ndarray) -> None:
    statistics = fit_ood(features.astype(np.float32), groups)
    others = np.random.default_rng(1).normal(size=(20, features.shape[1])).astype(np.float32)
    for scored in (features, others, 0 * others):
        assert np.isfinite(statistics.distances(scored)).all()


def test_the_threshold_has_as_many_false_alarms_as_it_says() -> None:
    random = np.random.default_rng(0)
    alarms = []
    for count in (100, 101, 150, 296, 1000):
        thresholds = [ood_threshold(random.gamma(9, size=count)) or 0.0 for _ in range(400)]
        alarms.append(np.mean([(random.gamma(9, size=1000) > threshold).mean() for threshold in thresholds]))
    assert all(0.003 < each < 0.0105 for each in alarms), alarms


def test_no_score_of_the_images_that_it_was_set_on_is_lost_to_rounding() -> None:
    scores = np.linspace(1, 3, FEWEST_IMAGES)
    threshold = ood_threshold(scores)
    assert threshold is not None
    assert scores.max() <= threshold < scores.max() * 1.001


def test_too_few_images_give_no_threshold() -> None:
    assert ood_threshold(np.ones(FEWEST_IMAGES - 1)) is None


def test_images_with_the_same_labels_are_a_group() -> None:
    targets = np.array([[1, 0, 1], [0, 0, 0], [1, 0, 1], [0, 1, 0]], dtype=np.float32)
    groups = label_groups(targets)
    assert groups[0] == groups[2]
    assert len(set(groups.tolist())) == 3
    assert label_groups(np.array([2, 0, 2])).tolist() == [2, 0, 2]


def outputs(count: int, *, seed: int, sure: float = 8.0) -> NetworkOutputs:
    features, labels = images(count, seed=seed)
    noise = np.random.default_rng(seed).normal(size=(count, 3))
    logits = sure * np.eye(3)[labels] + noise
    return NetworkOutputs(features=features.astype(np.float32), logits=logits.astype(np.float32))


def test_an_image_that_the_network_is_undecided_about_is_strange_however_near_it_is() -> None:
    features, labels = images(500, seed=0)
    known = outputs(300, seed=1)
    statistics = with_entropy(fit_ood(features, labels), known)
    assert statistics.entropy_weight > 0
    assert auc(statistics.scores(outputs(300, seed=2)), statistics.scores(outputs(300, seed=3, sure=1.0))) > 0.95


def test_without_the_entropy_the_score_is_the_distance() -> None:
    known = outputs(50, seed=1)
    statistics = fit_ood(*images(500, seed=0))
    np.testing.assert_array_equal(statistics.scores(known), statistics.distances(known.features))


def test_a_network_that_is_sure_of_every_image_still_finds_what_is_far() -> None:
    known, others = outputs(300, seed=1, sure=500.0), outputs(300, seed=2, sure=500.0)
    statistics = with_entropy(fit_ood(*images(500, seed=0)), known)
    far = NetworkOutputs(features=images(300, seed=3, shift=0.5)[0], logits=others.logits)
    assert auc(statistics.scores(others), statistics.scores(far)) > 0.999


def test_the_entropy_of_equal_probabilities_is_the_logarithm_of_their_number() -> None:
    np.testing.assert_allclose(entropies(np.array([[0.0, 0, 0, 0], [5000, 0, 0, 0]])), [np.log(4), 0], atol=1e-12)
