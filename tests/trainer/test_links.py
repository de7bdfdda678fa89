from __future__ import annotations

import numpy as np
import pytest

from trainer.links import Links


def numbers(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def test_things_are_linked_through_others() -> None:
    links = Links(7)
    links.join(1, numbers(3, 5))
    links.join_pairs(numbers(5, 0), numbers(6, 2))
    assert links.groups().tolist() == [0, 1, 0, 1, 2, 1, 1]
    links.join(2, numbers(4))
    assert links.groups().tolist() == [0, 1, 0, 1, 0, 1, 1]


@pytest.mark.parametrize("seed", range(5))
def test_both_ways_to_join_give_the_groups_of_scipy(seed: int) -> None:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    first, second = np.random.default_rng(seed).integers(0, 300, (2, 200))
    by_pairs, one_by_one = Links(300), Links(300)
    by_pairs.join_pairs(first, second)
    for one, other in zip(first.tolist(), second.tolist(), strict=True):
        one_by_one.join(one, numbers(other))
    _, expected = connected_components(coo_array((np.ones(200), (first, second)), shape=(300, 300)), directed=False)
    for groups in (by_pairs.groups(), one_by_one.groups()):
        assert len(set(zip(groups.tolist(), expected.tolist(), strict=True))) == len(set(expected.tolist()))
        assert groups.tolist() == one_by_one.groups().tolist()


def test_nothing_is_linked() -> None:
    assert Links(0).groups().tolist() == []
    links = Links(3)
    links.join_pairs(numbers(), numbers())
    assert links.groups().tolist() == [0, 1, 2]
