from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from trainer.catalog import read_catalog
from trainer.data import Decoding, prepare
from trainer.diagnosis.embeddings import embed_images
from trainer.diagnosis.near_duplicates import NEAR_DUPLICATE_SIMILARITY, near_duplicate_groups, nearest, whiten
from trainer.model import load_backbone
from trainer.progress import NoProgress

DATA = Path(os.environ.get("FIELDGUIDE_REAL_DATA", "nowhere"))


def random_embeddings(count: int, *, copies: int = 0, width: int = 64, noise: float = 0.05) -> npt.NDArray[np.float32]:
    """Random directions; the last `copies` are nearly the first ones again."""
    random = np.random.default_rng(count)
    found = random.normal(size=(count, width)).astype(np.float32)
    found[count - copies :] = found[:copies] + noise * random.normal(size=(copies, width)).astype(np.float32)
    return found


@pytest.mark.parametrize("count", [12, 300, 2500])  # fewer images than directions, more, and more than a block
def test_near_copies_are_similar_and_others_are_not(count: int) -> None:
    units = whiten(random_embeddings(count, copies=3))
    assert np.linalg.norm(units, axis=1) == pytest.approx(1.0, abs=1e-5)
    positions, similarities = nearest(units[-3:], units[:-3])
    assert positions.tolist() == [0, 1, 2]
    assert similarities.min() > 0.9
    others = units[:-3] @ units[:-3].T - 2 * np.eye(count - 3)
    assert others.max() < NEAR_DUPLICATE_SIMILARITY


@pytest.mark.parametrize("count", [40, 80, 200, 600, 3000])
def test_the_same_pairs_are_found_among_few_images_and_among_many(count: int) -> None:
    """Among few images, a pair makes up much of a direction, and whitening this direction would separate the pair."""
    random = np.random.default_rng(0)
    kinds = random.normal(size=(4, 256))
    found = (kinds[np.arange(count) % 4] + random.normal(size=(count, 256))).astype(np.float32)
    found[-3:] = found[:3] + 0.4 * random.normal(size=(3, 256))
    units = whiten(found)
    positions, similarities = nearest(units[-3:], units[:-3])
    assert positions.tolist() == [0, 1, 2]
    assert similarities.min() >= NEAR_DUPLICATE_SIMILARITY
    assert nearest(units[:3], units[3:-3])[1].max() < NEAR_DUPLICATE_SIMILARITY


def test_what_all_images_have_in_common_does_not_make_them_similar() -> None:
    """The embeddings of any two digits point nearly in the same direction."""
    own = random_embeddings(400, copies=2)
    similar = own + 30 * np.random.default_rng(0).normal(size=64).astype(np.float32)
    assert (similar[0] @ similar[1]) / np.linalg.norm(similar[0]) / np.linalg.norm(similar[1]) > 0.95
    groups = near_duplicate_groups(similar)
    assert groups.max() + 1 == 398
    assert (groups[398], groups[399]) == (groups[0], groups[1])


def test_groups_are_linked_and_numbered_in_order() -> None:
    found = random_embeddings(1100)
    between = found[5] + found[1099]
    chained = np.concatenate([found, between[np.newaxis], found[7:8]])
    groups = near_duplicate_groups(chained, threshold=0.6)
    assert groups[:5].tolist() == [0, 1, 2, 3, 4]
    assert groups[5] == groups[1099] == groups[1100]  # through the one between them
    assert groups[7] == groups[1101]
    assert sorted(set(groups.tolist())) == list(range(1099))
    assert near_duplicate_groups(chained, threshold=1.1).tolist() == list(range(1102))


def test_identical_images_are_one_group() -> None:
    same = np.ones((5, 8), dtype=np.float32)
    same[4] = 2
    assert near_duplicate_groups(same).tolist() == [0, 0, 0, 0, 1]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_hundred_thousand_images_take_little_memory() -> None:
    found = random_embeddings(100_000, copies=1000).astype(np.float16)
    found[50_000:60_000] = found[50_000]  # every pair of ten thousand
    tracemalloc.start()
    groups = near_duplicate_groups(found)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert groups.max() + 1 == 100_000 - 1000 - 9999
    assert peak < 300e6


@pytest.mark.real_data
@pytest.mark.skipif(not (DATA / "train.csv").is_file(), reason="FIELDGUIDE_REAL_DATA names no folder of photos")
def test_a_random_split_of_photos_from_one_shop_leaks_and_photos_of_their_own_do_not(tmp_path: Path) -> None:
    pixels = load_backbone("efficientnet_lite0").pixels
    fractions = {}
    for name, valid in (("random", None), ("honest", DATA / "val.csv")):
        prepared = prepare(
            read_catalog(DATA / "train.csv", valid=valid),
            pixels, seed=0, decoding=Decoding(tmp_path, threads=2),
        )  # fmt: skip
        data = prepared.data
        units = whiten(embed_images(data.train, data.valid, pixels, device=torch.device("cpu"), progress=NoProgress()))
        _, similarities = nearest(units[len(data.train) :], units[: len(data.train)])
        fractions[name] = float((similarities >= NEAR_DUPLICATE_SIMILARITY).mean())
    assert fractions["random"] > 0.3
    assert fractions["honest"] < 0.05


@pytest.mark.real_data
@pytest.mark.skipif(not (DATA / "train.csv").is_file(), reason="FIELDGUIDE_REAL_DATA names no folder of photos")
def test_a_leak_is_found_among_few_photos_as_among_many(tmp_path: Path) -> None:
    """From a hundred photos of 3 classes upwards, a leak of a tenth is found, however many photos there are."""
    pixels = load_backbone("efficientnet_lite0").pixels
    prepared = prepare(
        read_catalog(DATA / "train.csv", valid=DATA / "val.csv"),
        pixels, seed=0, decoding=Decoding(tmp_path, threads=2),
    )  # fmt: skip
    data, random = prepared.data, np.random.default_rng(0)
    embedded = embed_images(data.train, data.valid, pixels, device=torch.device("cpu"), progress=NoProgress())
    count, targets = len(data.train), np.append(data.train_targets, data.valid_targets)
    for classes in (3, 6, 12, 24):
        similar: dict[str, list[float]] = {"random": [], "honest": []}
        for _ in range(48 // classes):
            chosen = np.flatnonzero(np.isin(targets, random.choice(data.class_count, classes, replace=False)))
            units, held = whiten(embedded[chosen]), chosen >= count
            drawn = ~held & (random.random(len(chosen)) < 0.2)
            similar["random"] += nearest(units[drawn], units[~held & ~drawn])[1].tolist()
            similar["honest"] += nearest(units[held], units[~held])[1].tolist() if held.any() else []
        assert np.mean(np.array(similar["random"]) >= NEAR_DUPLICATE_SIMILARITY) >= 0.1
        assert np.mean(np.array(similar["honest"]) >= NEAR_DUPLICATE_SIMILARITY) < 0.05
