"""Fits recipes and judges them on the same images, for the benchmarks that compare recipes."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from service.cores import usable_cores
from tests.benchmarks.training.alike import LEAST_SIMILARITY, alike_groups
from tests.benchmarks.training.fit_process import run_fit
from tests.benchmarks.training.grouped_folds import assign_folds, write_folds
from tests.benchmarks.training.recipes import Changes, change_recipe, parse_changes
from tests.benchmarks.training.results import Results, Values
from tests.benchmarks.training.tables import digest, known, read_rows, some_classes, write_rows


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Fits on the first table of each pair and judges on the second.

    splits   (train, valid)
    root     where the tables' paths start from
    work     for what is temporary
    base     what every recipe changes of the defaults
    """

    results: Results
    splits: Sequence[tuple[Path, Path]]
    root: Path
    work: Path
    cache: Path
    device: str
    base: Changes

    def measure(self, changes: Changes) -> list[Values]:
        """What a recipe reached and cost on each split; what was measured before is not measured again."""
        return [self._fit(self.base | changes, train, valid) for train, valid in self.splits]

    def _fit(self, changes: Changes, train: Path, valid: Path) -> Values:
        recipe = change_recipe(changes)
        images = {"train": digest(read_rows(train)), "valid": digest(read_rows(valid))}

        def measure() -> Values:
            arguments = [str(train), "--valid", str(valid), "--root", str(self.root)]
            arguments += ["--recipe", str(recipe.write(self.work / "recipes")), "--device", self.device]
            done = run_fit([*arguments, "--cache", self.cache], work=self.work)
            return {
                "changes": changes,
                "command": shlex.join(["python", "-m", "trainer", "fit", *arguments, "--out", "RUN"]),
                **done.verdicts(),
                "loss": done.summary["validation"]["loss"],
                "seconds": done.seconds,
                "cpu_seconds": done.cpu_seconds,
                "epochs": [[epoch["at_s"], epoch["valid"]["accuracy"]] for epoch in done.epochs],
            }

        return self.results.once({"recipe": recipe.name, "device": self.device, **images}, measure)


def add_judge_options(parser: argparse.ArgumentParser) -> None:
    """What `make_judge` needs."""
    parser.add_argument("tables", type=Path, nargs="+", help="CSVs with the columns path and label")
    parser.add_argument("--work", type=Path, required=True, help="folder for the results and what is temporary")
    parser.add_argument("--root", type=Path, help="where paths start from; by default the folder of the first table")
    parser.add_argument("--cache", type=Path, help="of decoded images; by default in the work folder")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--fold-seed", type=int, default=0, help="decides which image is in which fold")
    parser.add_argument(
        "--least-similarity", type=float, default=LEAST_SIMILARITY, help="of photos that stay in one fold"
    )
    parser.add_argument("--classes", type=int, help="take only about so many of the classes, in whole groups")
    parser.add_argument("--group-column", default="", help="of the tables: groups of classes, also told")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="recipe keys other than by default")
    parser.add_argument("--head-only", action="store_true", help="train the head alone: about a minute a fit")
    parser.add_argument("--device", default="cpu")


def make_judge(options: argparse.Namespace, *, valid: Path | None = None) -> Judge:
    """A judge over the folds of all tables together or, where there is a `valid` table, over that one.

    Photos that are alike stand in one fold.
    """
    work, results = options.work, Results(options.work / "results.jsonl")
    root = (options.root or options.tables[0].parent).resolve()
    cache = (options.cache or work / "cache").resolve()
    every = [row for table in options.tables for row in read_rows(table)]
    rows = every
    if options.classes:
        rows = some_classes(every, options.classes, group_column=options.group_column or "label")
    if valid is None:
        files, similarity = [root / row["path"] for row in every], options.least_similarity
        # Of all images, whichever are taken: what is alike depends on what else there is.
        found = results.once(
            {"least_similarity": similarity, "images": digest(every)},
            lambda: {"groups": alike_groups(files, least_similarity=similarity, cache=cache, threads=usable_cores())},
        )
        group_of = {row["path"]: group for row, group in zip(every, found["groups"], strict=True)}
        labels, groups = [row["label"] for row in rows], [group_of[row["path"]] for row in rows]
        folds = assign_folds(labels, groups, count=options.folds, seed=options.fold_seed)
        splits = write_folds(work / "folds", rows, folds)
    else:
        judged = known(read_rows(valid), among=rows)
        splits = [(write_rows(work / "train.csv", rows), write_rows(work / "valid.csv", judged))]
    base = parse_changes(options.set) | ({"whole.epochs": 0} if options.head_only else {})
    base |= {"data.group_column": options.group_column}
    return Judge(results=results, splits=splits, root=root, work=work, cache=cache, device=options.device, base=base)


def share(verdicts: str) -> float:
    """Of ones among `1` and `0`."""
    return verdicts.count("1") / len(verdicts)
