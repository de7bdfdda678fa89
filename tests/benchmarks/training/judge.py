"""Fits recipes and judges them on the same images, for the benchmarks that compare recipes."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from service.cores import usable_cores
from tests.benchmarks.hardware import machine
from tests.benchmarks.training.alike import LEAST_SIMILARITY, alike_groups
from tests.benchmarks.training.fit_process import run_fit, verdicts
from tests.benchmarks.training.grouped_folds import assign_folds, write_folds
from tests.benchmarks.training.recipes import Changes, change_recipe, parse_changes
from tests.benchmarks.training.results import Results, Values
from tests.benchmarks.training.sources import code_digest
from tests.benchmarks.training.tables import digest, known, read_rows, some_classes, write_rows
from trainer.cli.overrides import recipe_keys
from trainer.progress import NoProgress
from trainer.recipe import read_recipe
from trainer.run import Environment
from trainer.run.inputs import backbone_of, catalog_of, prepared_for

_ALIKE = "alike"  # column of the judge's own tables: images with the same number there show nearly the same


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Fits on the first table of each pair and judges on the second.

    A recipe is judged by its last epoch. Its best one was chosen on the very images that judge it, and of a recipe with
    more epochs from more of them; it is told beside the other.

    splits    (train, valid)
    left_out  how many images stand on no validation side, since all of their class are alike
    root      where the tables' paths start from
    work      for what is temporary
    code      the digest of the source that is judged
    base      what every recipe changes of the defaults
    """

    results: Results
    splits: Sequence[tuple[Path, Path]]
    left_out: int
    root: Path
    work: Path
    cache: Path
    device: str
    code: str
    base: Changes

    def measure(self, changes: Changes) -> list[Values]:
        """What a recipe reached and cost on each split; what was measured before is not measured again.

        correct, group_correct  verdicts of the last epoch, one an image, in the order of their paths
        best                    the same of the best epoch, which is what was exported, and its loss
        alike                   the group of images that show nearly the same, of each image
        seconds, cpu_seconds    of the process from its start to its end, every image decoded before
        epochs                  seconds from the start of the process, accuracy
        """
        return [self._fit(self.base | changes, train, valid) for train, valid in self.splits]

    def _fit(self, changes: Changes, train: Path, valid: Path) -> Values:
        recipe = change_recipe(changes)
        judged = read_rows(valid)
        alike = {row["path"]: row[_ALIKE] for row in judged}

        def measure() -> Values:
            file = recipe.write(self.work / "recipes")
            self._decode(file, train, valid)
            arguments = [str(train), "--valid", str(valid), "--root", str(self.root), "--recipe", str(file)]
            done = run_fit(arguments, work=self.work, cache=self.cache, device=self.device, code=self.code)
            return {
                "changes": changes,
                "command": shlex.join(
                    ["python", "-m", "trainer", "fit", *arguments, "--device", self.device, "--out", "RUN"]
                ),
                **verdicts(done.last),
                "best": {**verdicts(done.best), "loss": done.summary["validation"]["loss"]},
                _ALIKE: [alike[row["path"]] for row in done.last],
                "seconds": done.seconds,
                "cpu_seconds": done.cpu_seconds,
                "epochs": [[epoch["at_s"], epoch["valid"]["accuracy"]] for epoch in done.epochs],
            }

        images = {"train": digest(read_rows(train)), "valid": digest(judged)}
        judging = {"machine": machine(self.device), "device": self.device, "code": self.code}
        return self.results.once({"recipe": recipe.name, **judging, **images}, measure)

    def _decode(self, recipe_file: Path, train: Path, valid: Path) -> None:
        """Fill the cache as the fit will want it, so that no fit pays for what others find there."""
        recipe = read_recipe(recipe_file, recipe_keys(train, {"valid": valid, "root": self.root}))
        environment = Environment(
            device=torch.device("cpu"), threads=usable_cores(), cache=self.cache, progress=NoProgress()
        )
        prepared_for(catalog_of(recipe), backbone_of(recipe), recipe, environment)


def add_judge_options(parser: argparse.ArgumentParser) -> None:
    """What `make_judge` needs."""
    parser.add_argument("tables", type=Path, nargs="+", help="CSVs with the columns path and label")
    parser.add_argument("--work", type=Path, required=True, help="folder for the results and what is temporary")
    parser.add_argument("--root", type=Path, help="where paths start from; by default the folder of the first table")
    parser.add_argument("--cache", type=Path, help="of decoded images; by default in the work folder")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--fold-seed", type=int, default=0, help="decides which image is in which fold")
    parser.add_argument("--least-similarity", type=float, default=LEAST_SIMILARITY, help="of photos that are alike")
    parser.add_argument("--classes", type=int, help="take only about so many of the classes, in whole groups")
    parser.add_argument("--coarse-column", default="", help="of the tables: groups of classes, also told")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="recipe keys other than by default")
    parser.add_argument("--head-only", action="store_true", help="train the head alone: about a minute a fit")
    parser.add_argument("--device", default="cpu")


def make_judge(options: argparse.Namespace, *, valid: Path | None = None) -> Judge:
    """A judge over the folds of all tables together or, where there is a `valid` table, over that one.

    Photos that are alike stand in one fold.
    """
    work, results, code = options.work, Results(options.work / "results.jsonl"), code_digest()
    root = (options.root or options.tables[0].parent).resolve()
    cache = (options.cache or work / "cache").resolve()
    pooled = [row for table in options.tables for row in read_rows(table)]
    every = pooled + (read_rows(valid) if valid else [])
    files, similarity = [root / row["path"] for row in every], options.least_similarity
    # Of all images, whichever are taken: what is alike depends on what else there is.
    found = results.once(
        {"least_similarity": similarity, "images": digest(every), "code": code},
        lambda: {"groups": alike_groups(files, least_similarity=similarity, cache=cache, threads=usable_cores())},
    )
    every = [row | {_ALIKE: str(group)} for row, group in zip(every, found["groups"], strict=True)]
    rows, judged = every[: len(pooled)], every[len(pooled) :]
    if options.classes:
        rows = some_classes(rows, options.classes, coarse_column=options.coarse_column or "label")
    if valid is None:
        labels, groups = [row["label"] for row in rows], [int(row[_ALIKE]) for row in rows]
        folds = assign_folds(labels, groups, count=options.folds, seed=options.fold_seed)
        splits, left_out = write_folds(work / "folds", rows, folds), folds.count(None)
    else:
        judged = known(judged, among=rows)
        splits = [(write_rows(work / "train.csv", rows), write_rows(work / "valid.csv", judged))]
        left_out = 0
    return Judge(
        results=results,
        splits=splits,
        left_out=left_out,
        root=root,
        work=work,
        cache=cache,
        device=options.device,
        code=code,
        base=parse_changes(options.set)
        | ({"finetune.epochs": 0} if options.head_only else {})
        | {"data.coarse_column": options.coarse_column},
    )


def share(verdicts: str) -> float:
    """Of ones among `1` and `0`."""
    return verdicts.count("1") / len(verdicts)
