from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import pytest

from tests.benchmarks.training.evaluator import GROUP_COLUMN, RecipeEvaluator, add_evaluator_options, make_evaluator
from tests.benchmarks.training.tables import read_rows, write_rows
from tests.support.photos import draw, write_folder

COPIES = {f"copies/{number}.jpg" for number in range(3)}
TWINS = {"red/002.jpg", "red/003.jpg"}


@pytest.fixture
def evaluator(tmp_path: Path) -> RecipeEvaluator:
    """Two folds of three colours, two of the red images equal, and a class of three images that are all equal."""
    root = write_folder(tmp_path / "photos", each=4)
    shutil.copy(root / "red" / "002.jpg", root / "red" / "003.jpg")
    (root / "copies").mkdir()
    for path in COPIES:
        draw("blue", 99).save(root / path)
    paths = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.jpg"))
    table = write_rows(tmp_path / "table.csv", [{"path": path, "label": path.partition("/")[0]} for path in paths])
    parser = argparse.ArgumentParser()
    add_evaluator_options(parser)
    fixed = [str(table), "--root", str(root), "--work", str(tmp_path / "work")]
    return make_evaluator(parser.parse_args([*fixed, "--folds", "2", "--least-similarity", "0.999"]))


def test_images_that_are_evaluated_in_no_fold_are_counted(evaluator: RecipeEvaluator) -> None:
    evaluated = [row["path"] for _, valid in evaluator.splits for row in read_rows(valid)]
    assert (len(evaluated), len(set(evaluated)), evaluator.left_out) == (12, 12, 3)
    for train, _ in evaluator.splits:
        assert {row["path"] for row in read_rows(train)} >= COPIES


def test_the_tables_of_a_fold_have_the_groups_of_near_duplicates(evaluator: RecipeEvaluator) -> None:
    folds = [{row["path"]: row[GROUP_COLUMN] for row in read_rows(valid)} for _, valid in evaluator.splits]
    (fold,) = [fold for fold in folds if fold.keys() & TWINS]
    assert len({fold[path] for path in TWINS}) == 1
    assert len({group for fold in folds for group in fold.values()}) == 11
