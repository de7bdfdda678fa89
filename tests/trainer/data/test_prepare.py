from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from service.pixels import load
from tests.support.photos import COLOURS, write_folder
from trainer.catalog import Row, read_catalog
from trainer.data import Decoding, prepare
from trainer.data.prepare import choose_subset
from trainer.model import load_backbone


def test_a_subset_of_the_training_images_is_decoded_as_the_service_does(tmp_path: Path) -> None:
    photos, pixels = write_folder(tmp_path / "photos", each=40), load_backbone("tiny").pixels
    prepared = prepare(read_catalog(photos), pixels, seed=3, decoding=Decoding(tmp_path / "cache", threads=2))
    data, rows = prepared.data, prepared.catalog.split("train")
    assert len(data.subset) == len(data.subset_positions) == 64
    assert data.subset_targets.tolist() == data.train_targets[data.subset_positions].tolist()
    for number, position in enumerate(data.subset_positions.tolist()):
        served = load((photos / rows[position].path).read_bytes(), pixels).pixels
        assert np.array_equal(data.subset.batch(np.array([number]))[0], served)


def test_training_images_are_larger_and_validation_images_are_those_of_the_service(tmp_path: Path) -> None:
    photos, pixels = write_folder(tmp_path / "photos"), load_backbone("tiny").pixels
    data = prepare(read_catalog(photos), pixels, seed=0, decoding=Decoding(tmp_path / "cache", threads=2)).data
    zero = np.zeros(1, dtype=np.int64)
    assert data.train.batch(zero).shape == (1, 42, 42, 3)  # 32 x 9 / 7, room for crops
    assert data.valid.batch(zero).shape == (1, 32, 32, 3)
    assert len(data.train) + len(data.valid) == 12 * len(COLOURS)


def rows(count: int, *, classes: int) -> list[Row]:
    return [
        Row(path=f"{number:05}.jpg", labels=frozenset({str(number % classes)}), split="train")
        for number in range(count)
    ]


@pytest.mark.parametrize(
    ("count", "expected"), [(1, 1), (64, 64), (100, 64), (400, 64), (800, 100), (4096, 512), (9000, 512)]
)
def test_the_subset_is_an_eighth_of_the_images_within_limits(count: int, expected: int) -> None:
    positions = choose_subset(rows(count, classes=2), seed=0)
    assert len(positions) == expected
    assert (positions[1:] > positions[:-1]).all()
    assert set(positions.tolist()) <= set(range(count))


def test_the_subset_has_every_class_in_proportion_and_depends_on_the_seed() -> None:
    images = rows(1600, classes=8)
    first, same, other = (choose_subset(images, seed=seed) for seed in (0, 0, 1))
    assert first.tolist() == same.tolist() != other.tolist()
    counts = Counter(label for position in first for label in images[position].labels)
    assert set(counts.values()) == {25}


def test_the_subset_of_classes_of_one_image_each_has_the_smallest_size() -> None:
    assert len(choose_subset(rows(100, classes=100), seed=0)) == 64
