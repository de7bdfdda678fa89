from __future__ import annotations

import numpy as np

from trainer.data import uniforms


def test_a_sample_has_its_numbers_in_any_batch() -> None:
    together = uniforms(np.arange(100, dtype=np.int64), 8, seed=3, epoch=5)
    alone = uniforms(np.array([42], dtype=np.int64), 8, seed=3, epoch=5)
    assert np.array_equal(together[42:43], alone)


def test_seed_epoch_and_sample_each_change_every_number() -> None:
    samples = np.arange(50, dtype=np.int64)
    base = uniforms(samples, 8, seed=0, epoch=0)
    assert not np.isin(uniforms(samples, 8, seed=1, epoch=0), base).any()
    assert not np.isin(uniforms(samples, 8, seed=0, epoch=1), base).any()
    assert len(np.unique(base)) == base.size


def test_numbers_are_uniform_and_independent() -> None:
    numbers = uniforms(np.arange(20_000, dtype=np.int64), 4, seed=9, epoch=1)
    assert numbers.dtype == np.float32
    assert numbers.min() >= 0
    assert numbers.max() < 1
    counts = np.histogram(numbers, bins=20, range=(0, 1))[0]
    assert (abs(counts / numbers.size - 0.05) < 0.003).all()
    correlation = np.corrcoef(numbers, rowvar=False) - np.eye(4)
    assert abs(correlation).max() < 0.03
    assert abs(np.corrcoef(numbers[:-1, 0], numbers[1:, 0])[0, 1]) < 0.03


def test_numbers_stay_the_same_on_every_machine() -> None:
    assert uniforms(np.array([0, 1], dtype=np.int64), 2, seed=0, epoch=0).tolist() == [
        [0.3380524516105652, 0.26913022994995117],
        [0.43274492025375366, 0.425632119178772],
    ]
