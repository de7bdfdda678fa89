from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from PIL import Image

from tests.trainer.checking.pictures import picture
from trainer.checking.hashes import near_pairs, perceptual_hash


def hash_of(image: Image.Image) -> int:
    return perceptual_hash(np.asarray(image.resize((160, 160), Image.Resampling.BICUBIC)))


def distance(one: int, other: int) -> int:
    return (one ^ other).bit_count()


@pytest.mark.parametrize("number", range(10))
def test_what_looks_alike_is_near_and_nothing_else(number: int) -> None:
    image = picture(number)
    own = hash_of(image)
    assert distance(own, hash_of(image.resize((120, 90)))) <= 4
    assert distance(own, hash_of(image.point([value * 7 // 10 for value in range(256)] * 3))) <= 6
    for other in range(20, 40):
        assert distance(own, hash_of(picture(other))) > 8


def expected_pairs(hashes: np.ndarray, radius: int) -> set[tuple[int, int]]:
    near = np.bitwise_count(hashes[:, None] ^ hashes[None]) <= radius
    return {(one, other) for one, other in np.argwhere(near).tolist() if one < other}


@pytest.mark.parametrize("radius", [0, 1, 4, 8, 13])
def test_the_banded_index_finds_every_pair_once(radius: int) -> None:
    random = np.random.default_rng(radius)
    hashes = random.integers(0, 2**64, 400, dtype=np.uint64)
    for _ in range(300):  # variants with a few other bits, so that there are pairs at every distance
        bits = random.choice(64, random.integers(0, 16), replace=False).tolist()
        changed = int(random.choice(hashes)) ^ sum(1 << bit for bit in bits)
        hashes = np.append(hashes, np.uint64(changed))
    found = [
        pair
        for first, second in near_pairs(hashes, radius)
        for pair in zip(first.tolist(), second.tolist(), strict=True)
    ]
    assert len(found) == len(set(found))
    assert set(found) == expected_pairs(hashes, radius)
    assert found


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_hashes_for_a_pair(count: int) -> None:
    assert list(near_pairs(np.zeros(count, dtype=np.uint64), 8)) == []


def test_memory_is_bounded_if_all_hashes_are_equal() -> None:
    hashes = np.zeros(4_000, dtype=np.uint64)
    tracemalloc.start()
    total = sum(len(first) for first, _ in near_pairs(hashes, 8))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == 4_000 * 3_999 // 2
    assert peak < 300e6
