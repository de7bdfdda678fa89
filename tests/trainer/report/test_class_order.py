"""An order in which similar classes are beside each other."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.report.class_order import order_classes


@pytest.mark.parametrize("count", [40, 320])
def test_similar_classes_are_beside_each_other(count: int) -> None:
    random = np.random.default_rng(0)
    families = random.permutation(np.arange(count) % (count // 4))
    vectors = random.normal(size=(count // 4, 16))[families] + 0.05 * random.normal(size=(count, 16))
    order = order_classes(vectors)
    assert sorted(order) == list(range(count))
    ordered = families[order]
    assert (np.diff(ordered) != 0).sum() == count // 4 - 1


def test_classes_of_a_coarse_label_stay_together_in_an_order_of_their_own() -> None:
    random = np.random.default_rng(1)
    groups = np.arange(30) % 5
    vectors = random.normal(size=(30, 8))
    vectors[groups == 4] = vectors[groups == 0] * 3  # the same directions
    ordered = groups[order_classes(vectors, groups.tolist())]
    assert (np.diff(ordered) != 0).sum() == 4
    places = {group: place for place, group in enumerate(dict.fromkeys(ordered.tolist()))}
    assert abs(places[0] - places[4]) == 1


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_classes(count: int) -> None:
    assert sorted(order_classes(np.eye(count))) == list(range(count))


def test_classes_about_which_nothing_is_known() -> None:
    assert sorted(order_classes(np.zeros((7, 3)))) == list(range(7))
