"""Fit each fold of a cross-validation, or each draw of classes left out, and keep the runs for other benchmarks.

    python -m tests.benchmarks.fold_runs TABLE.csv... --work FOLDER [--folds 5] [-- --epochs 12 ...]
    python -m tests.benchmarks.fold_runs TABLE.csv... --work FOLDER --leave-out-classes [-- --epochs 4 ...]
    python -m tests.benchmarks.fold_runs TABLE.csv... --work FOLDER --leave-out-paths Vegetables [-- --epochs 4 ...]

The rows of all tables are joined. Near duplicates are in one fold (`training/image_groups.py`). FOLDER/folds/N has
train.csv, valid.csv and the run of `fieldguide fit`, with every setting at its default but those after `--`. With
`--leave-out-classes` each draw leaves out a fifth of the classes, each class once: FOLDER/classes/N/strangers.csv has
all their images, and the images of the other classes are divided as in fold N. With `--leave-out-paths` the images with
this folder in their path are the strangers of every draw, in FOLDER/paths/N. What was fitted before is kept.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from service.cores import usable_cores
from tests.benchmarks.training.grouped_folds import assign_folds
from tests.benchmarks.training.image_groups import LEAST_SIMILARITY, group_near_duplicates
from tests.benchmarks.training.results import Results
from tests.benchmarks.training.tables import Row, digest, read_rows, write_rows


def main() -> None:
    """Fit what is missing, one after another."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path, nargs="+", help="CSVs with the columns path and label")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--only", type=int, nargs="+", help="fit only these folds")
    parser.add_argument("--leave-out-classes", action="store_true")
    parser.add_argument("--leave-out-paths", metavar="FOLDER")
    given = sys.argv[1:]
    at = given.index("--") if "--" in given else len(given)
    options = parser.parse_args(given[:at])
    root, cache = options.tables[0].parent.resolve(), options.work / "cache"
    rows = [row for table in options.tables for row in read_rows(table)]
    files = [root / row["path"] for row in rows]
    found = Results(options.work / "groups.jsonl").once(
        {"images": digest(rows), "least_similarity": LEAST_SIMILARITY},
        lambda: {
            "groups": group_near_duplicates(
                files, least_similarity=LEAST_SIMILARITY, cache=cache, threads=usable_cores()
            )
        },
    )
    folds = assign_folds([row["label"] for row in rows], found["groups"], count=options.folds, seed=0)
    kind = "classes" if options.leave_out_classes else "paths" if options.leave_out_paths else "folds"
    for number in options.only or range(options.folds):
        folder = options.work / kind / str(number)
        strangers = strangers_of(rows, number, options)
        if strangers:
            write_rows(folder / "strangers.csv", [row for row in rows if row["label"] in strangers])
        known = [(row, fold) for row, fold in zip(rows, folds, strict=True) if row["label"] not in strangers]
        train = write_rows(folder / "train.csv", [row for row, fold in known if fold != number])
        valid = write_rows(folder / "valid.csv", [row for row, fold in known if fold == number])
        if not (folder / "run" / "bundle").exists():
            command = [sys.executable, "-m", "trainer", "fit", str(train), "--valid", str(valid), "--root", str(root)]
            command += ["--cache", str(cache), "--out", str(folder / "run"), *given[at + 1 :]]
            subprocess.run(command, check=True)


def strangers_of(rows: Sequence[Row], number: int, options: argparse.Namespace) -> set[str]:
    """The labels that are left out of one draw."""
    if options.leave_out_paths:
        return {row["label"] for row in rows if options.leave_out_paths in row["path"].split("/")}
    if not options.leave_out_classes:
        return set()
    labels = sorted({row["label"] for row in rows})
    shuffled = np.random.default_rng(0).permutation(len(labels)).tolist()
    return {labels[position] for position in shuffled[number :: options.folds]}


def kept_runs(folder: Path) -> Iterator[Path]:
    """Yield the folders that have a run, `folds/0` and so on, in order."""
    for each in sorted(folder.iterdir(), key=lambda path: int(path.name)):
        if (each / "run" / "bundle").exists():
            yield each


if __name__ == "__main__":
    main()
