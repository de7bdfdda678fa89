"""Fits recipes and evaluates them on the same images, for the benchmarks that compare recipes."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from service.cores import usable_cores
from tests.benchmarks.hardware import machine
from tests.benchmarks.training.fit_process import hits, run_fit
from tests.benchmarks.training.grouped_folds import assign_folds, write_folds
from tests.benchmarks.training.image_groups import LEAST_SIMILARITY, group_near_duplicates
from tests.benchmarks.training.recipes import Changes, change_recipe, parse_changes
from tests.benchmarks.training.results import Results, Values
from tests.benchmarks.training.sources import code_digest
from tests.benchmarks.training.tables import digest, read_rows, some_classes, with_known_labels, write_rows
from trainer.progress import NoProgress
from trainer.recipe import apply_options
from trainer.run import Environment
from trainer.run.inputs import load_recipe_backbone, prepare_images, read_recipe_catalog

# Column of the tables that are written here: images with the same number are near duplicates of each other.
GROUP_COLUMN = "near_duplicate_group"


@dataclass(frozen=True, kw_only=True)
class RecipeEvaluator:
    """Fits on the first table of each split and evaluates on the second.

    A recipe is evaluated by its last epoch. Its best epoch was chosen on the very images that it is evaluated on, and
    from more epochs if the recipe has more; it is reported beside the last one.

    Attributes:
        results: What was measured before.
        splits: (train, valid) tables.
        left_out: How many images are in no validation table, because all images of their class are near duplicates.
        root: Folder that the paths of the tables are relative to.
        work: For temporary files.
        cache: For decoded images.
        device: Where the network is trained.
        code: Digest of the source code that is measured.
        base: Changes of the default that every recipe has.
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

    def evaluate(self, changes: Changes) -> list[Values]:
        """Return what a recipe reached and cost on each split; what was measured before is not measured again.

        correct, coarse_correct  hits of the last epoch, one for each image, in the order of their paths
        best                     the same of the best epoch, which was exported, and its loss
        groups                   the group of near duplicates of each image
        seconds, cpu_seconds     of the process from its start to its end, with every image decoded before
        epochs                   seconds from the start of the process, accuracy
        """
        return [self._fit(self.base | changes, train, valid) for train, valid in self.splits]

    def _fit(self, changes: Changes, train: Path, valid: Path) -> Values:
        recipe = change_recipe(changes)
        evaluated = read_rows(valid)
        groups = {row["path"]: row[GROUP_COLUMN] for row in evaluated}

        def measure() -> Values:
            file = recipe.write(self.work / "recipes")
            self._decode(file, train, valid)
            arguments = [str(train), "--valid", str(valid), "--root", str(self.root), "--recipe", str(file)]
            fit = run_fit(arguments, work=self.work, cache=self.cache, device=self.device, code=self.code)
            return {
                "changes": changes,
                "command": shlex.join(
                    ["python", "-m", "trainer", "fit", *arguments, "--device", self.device, "--out", "RUN"]
                ),
                **hits(fit.last),
                "best": {**hits(fit.best), "loss": fit.summary["validation"]["loss"]},
                "groups": [groups[row["path"]] for row in fit.last],
                "seconds": fit.seconds,
                "cpu_seconds": fit.cpu_seconds,
                "epochs": [[epoch["at_s"], epoch["valid"]["accuracy"]] for epoch in fit.epochs],
            }

        images = {"train": digest(read_rows(train)), "valid": digest(evaluated)}
        measured_by = {"machine": machine(self.device), "device": self.device, "code": self.code}
        return self.results.once({"recipe": recipe.name, **measured_by, **images}, measure)

    def _decode(self, recipe_file: Path, train: Path, valid: Path) -> None:
        """Fill the cache as the fit will need it, so that no fit spends time on it and others do not."""
        progress = NoProgress()
        recipe = apply_options(recipe_file, train, {"valid": valid, "root": self.root}, warn=progress.warn)
        environment = Environment(
            device=torch.device("cpu"), threads=usable_cores(), cache=self.cache, progress=progress
        )
        prepare_images(read_recipe_catalog(recipe), load_recipe_backbone(recipe), recipe, environment)


def add_evaluator_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that `make_evaluator` needs."""
    parser.add_argument("tables", type=Path, nargs="+", help="CSVs with the columns path and label")
    parser.add_argument("--work", type=Path, required=True, help="folder for results and temporary files")
    parser.add_argument(
        "--root", type=Path, help="folder that paths are relative to; by default that of the first table"
    )
    parser.add_argument("--cache", type=Path, help="of decoded images; by default in the work folder")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--fold-seed", type=int, default=0, help="decides which image is in which fold")
    parser.add_argument("--least-similarity", type=float, default=LEAST_SIMILARITY, help="of near duplicates")
    parser.add_argument("--classes", type=int, help="use only about this many classes: all of some coarse labels")
    parser.add_argument("--coarse-column", default="", help="of the tables, with coarse labels: reported too")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="changes of the default recipe")
    parser.add_argument("--head-only", action="store_true", help="train the head alone: about a minute a fit")
    parser.add_argument("--device", default="cpu")


def make_evaluator(options: argparse.Namespace, *, valid: Path | None = None) -> RecipeEvaluator:
    """Make an evaluator on the `valid` table, or over folds of all tables together. Near duplicates are in one fold."""
    work, results, code = options.work, Results(options.work / "results.jsonl"), code_digest()
    root = (options.root or options.tables[0].parent).resolve()
    cache = (options.cache or work / "cache").resolve()
    pooled = [row for table in options.tables for row in read_rows(table)]
    every = pooled + (read_rows(valid) if valid else [])
    files, similarity = [root / row["path"] for row in every], options.least_similarity
    # Of all images, also those that are not used: which ones are near duplicates depends on what else there is.
    found = results.once(
        {"least_similarity": similarity, "images": digest(every), "code": code},
        lambda: {
            "groups": group_near_duplicates(files, least_similarity=similarity, cache=cache, threads=usable_cores())
        },
    )
    every = [row | {GROUP_COLUMN: str(group)} for row, group in zip(every, found["groups"], strict=True)]
    rows, evaluated = every[: len(pooled)], every[len(pooled) :]
    if options.classes:
        rows = some_classes(rows, options.classes, coarse_column=options.coarse_column or "label")
    if valid is None:
        labels, groups = [row["label"] for row in rows], [int(row[GROUP_COLUMN]) for row in rows]
        folds = assign_folds(labels, groups, count=options.folds, seed=options.fold_seed)
        splits, left_out = write_folds(work / "folds", rows, folds), folds.count(None)
    else:
        evaluated = with_known_labels(evaluated, known=rows)
        splits = [(write_rows(work / "train.csv", rows), write_rows(work / "valid.csv", evaluated))]
        left_out = 0
    return RecipeEvaluator(
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


def fraction_correct(hits: str) -> float:
    """Return the fraction of ones among `1` and `0`."""
    return hits.count("1") / len(hits)
