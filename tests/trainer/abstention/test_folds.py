from __future__ import annotations

import numpy as np

from trainer.abstention.folds import each_fold, stratified_folds


def test_each_fold_has_its_part_of_every_class() -> None:
    targets = np.repeat(np.arange(7), [50, 25, 10, 5, 3, 1, 6])
    folds = stratified_folds(targets)
    assert sorted(np.bincount(folds).tolist()) == [20] * 5
    for number, count in enumerate(np.bincount(targets)):
        parts = np.bincount(folds[targets == number], minlength=5)
        assert parts.max() - parts.min() <= 1, f"class {number} of {count} images"
    assert np.array_equal(folds, stratified_folds(targets.copy()))


def test_neighbours_are_in_different_folds_by_chance_alone() -> None:
    """Photos of one session are often beside each other, so the folds are not dealt out in the order of the images."""
    folds = stratified_folds(np.zeros(1_000, dtype=np.int64))
    assert 0.1 < np.mean(folds[1:] == folds[:-1]) < 0.3


def test_an_image_with_several_labels_counts_as_its_rarest_one() -> None:
    targets = np.zeros((60, 3), dtype=np.float32)
    targets[:, 0] = 1
    targets[10:20, 1] = 1
    targets[50:] = 0  # no label
    folds = stratified_folds(targets)
    for part in (slice(0, 10), slice(10, 20), slice(50, 60)):
        counts = np.bincount(folds[part], minlength=5)
        assert counts.sum() == 10
    assert set(np.bincount(folds[10:20], minlength=5).tolist()) == {2}
    assert set(np.bincount(folds[50:], minlength=5).tolist()) == {2}


def test_every_image_is_held_out_once() -> None:
    folds = stratified_folds(np.arange(23) % 4)
    held_out = np.zeros(23, dtype=int)
    for others, held in each_fold(folds):
        assert np.array_equal(others, ~held)
        held_out += held
    assert np.all(held_out == 1)
