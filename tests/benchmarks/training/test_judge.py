from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import pytest

from tests.benchmarks.training.judge import Judge, add_judge_options, make_judge
from tests.benchmarks.training.tables import read_rows, write_rows
from tests.support.photos import draw, write_folder

COPIES = {f"copies/{number}.jpg" for number in range(3)}
TWINS = {"red/002.jpg", "red/003.jpg"}


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    """Over two folds of three colours, two of the red ones alike, and a class of three images that are all alike."""
    root = write_folder(tmp_path / "photos", each=4)
    shutil.copy(root / "red" / "002.jpg", root / "red" / "003.jpg")
    (root / "copies").mkdir()
    for path in COPIES:
        draw("blue", 99).save(root / path)
    paths = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.jpg"))
    table = write_rows(tmp_path / "table.csv", [{"path": path, "label": path.partition("/")[0]} for path in paths])
    parser = argparse.ArgumentParser()
    add_judge_options(parser)
    fixed = [str(table), "--root", str(root), "--work", str(tmp_path / "work")]
    return make_judge(parser.parse_args([*fixed, "--folds", "2", "--least-similarity", "0.999"]))


def test_images_that_no_fold_judges_are_counted(judge: Judge) -> None:
    judged = [row["path"] for _, valid in judge.splits for row in read_rows(valid)]
    assert (len(judged), len(set(judged)), judge.left_out) == (12, 12, 3)
    for train, _ in judge.splits:
        assert {row["path"] for row in read_rows(train)} >= COPIES


def test_the_tables_of_a_fold_say_which_images_are_alike(judge: Judge) -> None:
    folds = [{row["path"]: row["alike"] for row in read_rows(valid)} for _, valid in judge.splits]
    (fold,) = [fold for fold in folds if fold.keys() & TWINS]
    assert len({fold[path] for path in TWINS}) == 1
    assert len({group for fold in folds for group in fold.values()}) == 11
