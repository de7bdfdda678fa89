from __future__ import annotations

from collections import Counter

import pytest

from trainer.catalog import Row
from trainer.data.subset import choose_subset


def rows(count: int, *, classes: int) -> list[Row]:
    return [
        Row(path=f"{number:05}.jpg", labels=frozenset({str(number % classes)}), split="train")
        for number in range(count)
    ]


@pytest.mark.parametrize(
    ("count", "expected"), [(1, 1), (64, 64), (100, 64), (400, 64), (800, 100), (4096, 512), (9000, 512)]
)
def test_an_eighth_of_the_images_but_not_too_few_and_not_too_many(count: int, expected: int) -> None:
    positions = choose_subset(rows(count, classes=2), seed=0)
    assert len(positions) == expected
    assert (positions[1:] > positions[:-1]).all()
    assert set(positions.tolist()) <= set(range(count))


def test_every_class_has_its_share_and_the_seed_decides() -> None:
    images = rows(1600, classes=8)
    first, same, other = (choose_subset(images, seed=seed) for seed in (0, 0, 1))
    assert first.tolist() == same.tolist() != other.tolist()
    counts = Counter(label for position in first for label in images[position].labels)
    assert set(counts.values()) == {25}


def test_classes_of_one_image_each_are_measured_too() -> None:
    assert len(choose_subset(rows(100, classes=100), seed=0)) == 64
