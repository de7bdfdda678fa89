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
from trainer.diagnosis.near_duplicates import ALIKE, near_duplicate_groups, nearest, whiten
from trainer.model import load_backbone
from trainer.progress import NoProgress

DATA = Path(os.environ.get("FIELDGUIDE_REAL_DATA", "nowhere"))


def features(count: int, *, copies: int = 0, width: int = 64, noise: float = 0.05) -> npt.NDArray[np.float32]:
    """Random directions; the last `copies` are nearly the first ones again."""
    random = np.random.default_rng(count)
    found = random.normal(size=(count, width)).astype(np.float32)
    found[count - copies :] = found[:copies] + noise * random.normal(size=(copies, width)).astype(np.float32)
    return found


@pytest.mark.parametrize("count", [12, 300, 2500])  # fewer images than directions, more, and more than a block
def test_near_copies_are_alike_and_others_are_not(count: int) -> None:
    units = whiten(features(count, copies=3))
    assert np.linalg.norm(units, axis=1) == pytest.approx(1.0, abs=1e-5)
    positions, similarities = nearest(units[-3:], units[:-3])
    assert positions.tolist() == [0, 1, 2]
    assert similarities.min() > 0.9
    others = units[:-3] @ units[:-3].T - 2 * np.eye(count - 3)
    assert others.max() < ALIKE


@pytest.mark.parametrize("count", [40, 80, 200, 600, 3000])
def test_the_same_pairs_are_found_among_few_images_and_among_many(count: int) -> None:
    """A pair among few makes up much of a direction, and whitening that would tear it apart."""
    random = np.random.default_rng(0)
    kinds = random.normal(size=(4, 256))
    found = (kinds[np.arange(count) % 4] + random.normal(size=(count, 256))).astype(np.float32)
    found[-3:] = found[:3] + 0.4 * random.normal(size=(3, 256))
    units = whiten(found)
    positions, similarities = nearest(units[-3:], units[:-3])
    assert positions.tolist() == [0, 1, 2]
    assert similarities.min() >= ALIKE
    assert nearest(units[:3], units[3:-3])[1].max() < ALIKE


def test_what_all_images_of_a_kind_share_does_not_make_them_alike() -> None:
    """The embeddings of any two digits point nearly the same way."""
    own = features(400, copies=2)
    alike = own + 30 * np.random.default_rng(0).normal(size=64).astype(np.float32)
    assert (alike[0] @ alike[1]) / np.linalg.norm(alike[0]) / np.linalg.norm(alike[1]) > 0.95
    groups = near_duplicate_groups(alike)
    assert groups.max() + 1 == 398
    assert (groups[398], groups[399]) == (groups[0], groups[1])


def test_groups_are_linked_and_numbered_in_order() -> None:
    found = features(1100)
    between = found[5] + found[1099]
    chained = np.concatenate([found, between[np.newaxis], found[7:8]])
    groups = near_duplicate_groups(chained, threshold=0.6)
    assert groups[:5].tolist() == [0, 1, 2, 3, 4]
    assert groups[5] == groups[1099] == groups[1100]  # through the one between them
    assert groups[7] == groups[1101]
    assert sorted(set(groups.tolist())) == list(range(1099))
    assert near_duplicate_groups(chained, threshold=1.1).tolist() == list(range(1102))


def test_images_that_are_all_the_same_are_one_group_or_none() -> None:
    same = np.ones((5, 8), dtype=np.float32)
    same[4] = 2
    assert near_duplicate_groups(same).tolist() == [0, 0, 0, 0, 1]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_hundred_thousand_images_take_little_memory() -> None:
    found = features(100_000, copies=1000).astype(np.float16)
    found[50_000:60_000] = found[50_000]  # every pair of ten thousand
    tracemalloc.start()
    groups = near_duplicate_groups(found)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert groups.max() + 1 == 100_000 - 1000 - 9999
    assert peak < 300e6


@pytest.mark.real_data
@pytest.mark.skipif(not (DATA / "train.csv").is_file(), reason="FIELDGUIDE_REAL_DATA names no folder of photos")
def test_a_random_split_of_photos_from_one_shop_leaks_and_an_honest_one_does_not(tmp_path: Path) -> None:
    pixels = load_backbone("efficientnet_lite0").pixels
    shares = {}
    for name, valid in (("random", None), ("honest", DATA / "val.csv")):
        prepared = prepare(
            read_catalog(DATA / "train.csv", valid=valid),
            pixels, seed=0, decoding=Decoding(tmp_path, threads=2),
        )  # fmt: skip
        data = prepared.data
        units = whiten(embed_images(data.train, data.valid, pixels, device=torch.device("cpu"), progress=NoProgress()))
        _, similarities = nearest(units[len(data.train) :], units[: len(data.train)])
        shares[name] = float((similarities >= ALIKE).mean())
    assert shares["random"] > 0.3
    assert shares["honest"] < 0.05


@pytest.mark.real_data
@pytest.mark.skipif(not (DATA / "train.csv").is_file(), reason="FIELDGUIDE_REAL_DATA names no folder of photos")
def test_few_photos_leak_as_many_do(tmp_path: Path) -> None:
    """From 3 classes, a hundred photos, on: the verdict, from a tenth on, does not hang on their number."""
    pixels = load_backbone("efficientnet_lite0").pixels
    prepared = prepare(
        read_catalog(DATA / "train.csv", valid=DATA / "val.csv"),
        pixels, seed=0, decoding=Decoding(tmp_path, threads=2),
    )  # fmt: skip
    data, random = prepared.data, np.random.default_rng(0)
    embedded = embed_images(data.train, data.valid, pixels, device=torch.device("cpu"), progress=NoProgress())
    count, targets = len(data.train), np.append(data.train_targets, data.valid_targets)
    for classes in (3, 6, 12, 24):
        alike: dict[str, list[float]] = {"random": [], "honest": []}
        for _ in range(48 // classes):
            chosen = np.flatnonzero(np.isin(targets, random.choice(data.class_count, classes, replace=False)))
            units, held = whiten(embedded[chosen]), chosen >= count
            drawn = ~held & (random.random(len(chosen)) < 0.2)
            alike["random"] += nearest(units[drawn], units[~held & ~drawn])[1].tolist()
            alike["honest"] += nearest(units[held], units[~held])[1].tolist() if held.any() else []
        assert np.mean(np.array(alike["random"]) >= ALIKE) >= 0.1
        assert np.mean(np.array(alike["honest"]) >= ALIKE) < 0.05
