from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from tests.benchmarks.training.grouped_folds import assign_folds, write_folds
from tests.benchmarks.training.tables import read_rows

# 8 labels, label k with groups of 1 to 5 images; group 100 has all images of its label.
LABELS = [f"label {group % 8}" for group in range(64) for _ in range(1 + group % 5)] + ["whole"] * 4
GROUPS = [group for group in range(64) for _ in range(1 + group % 5)] + [100] * 4


def test_groups_stay_together_and_folds_have_about_the_same_size() -> None:
    folds = assign_folds(LABELS, GROUPS, count=5, seed=0)
    together = defaultdict(set)
    for group, fold in zip(GROUPS, folds, strict=True):
        together[group].add(fold)
    assert all(len(found) == 1 for found in together.values())
    sizes = [folds.count(fold) for fold in range(5)]
    assert sum(sizes) == len(LABELS) - 4
    assert max(sizes) - min(sizes) <= 5


def test_every_label_that_is_evaluated_is_trained_on_too() -> None:
    folds = assign_folds(LABELS, GROUPS, count=5, seed=1)
    for fold in range(5):
        evaluated = {label for label, own in zip(LABELS, folds, strict=True) if own == fold}
        trained = {label for label, own in zip(LABELS, folds, strict=True) if own != fold}
        assert evaluated == {f"label {number}" for number in range(8)}
        assert evaluated <= trained


def test_a_group_with_all_images_of_a_label_is_never_evaluated() -> None:
    folds = assign_folds(LABELS, GROUPS, count=5, seed=0)
    assert {fold for label, fold in zip(LABELS, folds, strict=True) if label == "whole"} == {None}


def test_the_seed_decides() -> None:
    assert assign_folds(LABELS, GROUPS, count=5, seed=0) == assign_folds(LABELS, GROUPS, count=5, seed=0)
    assert assign_folds(LABELS, GROUPS, count=5, seed=0) != assign_folds(LABELS, GROUPS, count=5, seed=1)


def test_the_tables_of_a_fold_hold_every_row_once(tmp_path: Path) -> None:
    rows = [{"path": f"{number}.jpg", "label": label} for number, label in enumerate("abcd")]
    tables = write_folds(tmp_path, rows, [0, 1, None, 1])
    held = [[[row["path"] for row in read_rows(table)] for table in pair] for pair in tables]
    assert held == [[["1.jpg", "2.jpg", "3.jpg"], ["0.jpg"]], [["0.jpg", "2.jpg"], ["1.jpg", "3.jpg"]]]
