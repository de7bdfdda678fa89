"""Does fine-tuning on few photos end better or worse than the head that it starts with, on photos that chose nothing?

    python -m tests.benchmarks.few_photos TRAIN.csv VALID.csv --work FOLDER [--photos 20 60 150 500] [--classes 2 5 20]
        [--epochs 1 3 12] [--seeds 3] [--first-seed 0] [--size 96] [--lr default 4e-3] [--label-column coarse]

For each cell (photos, classes, epochs) and seed, classes and photos of TRAIN.csv are drawn. The model is trained as
`fit` trains it, with every other setting at its default, and its last epoch and the head before it are evaluated on
other photos of these classes: all of VALID.csv, and of TRAIN.csv as many as bring them to 300. They decide nothing: no
epoch is chosen by them. `--lr` is what is compared: `default` is that of `fit` without the option, which depends on the
number of steps, and a number is used as it is.

Classes are drawn from those that have enough photos; if these are too few, the largest classes are taken, and all that
a small one has. The difference is that of the accuracies on the same photos. Its standard error is over photos, where a
photo of several seeds counts once. A cell is worse than the head if the difference is less than minus so many standard
errors as a normal variable exceeds with the probability for two of them (one-sided), divided by the number of cells
(Bonferroni).

Every result is written to FOLDER/results.jsonl and not measured again: use a new folder if the trainer has changed.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist

import numpy as np
import torch

from service.cores import usable_cores
from tests.benchmarks.hardware import machine, versions
from tests.benchmarks.training.results import Results, Values, markdown, percent
from tests.benchmarks.training.standard_error import clustered_mean
from tests.benchmarks.training.tables import Row, digest, evenly_spaced, read_rows
from trainer.catalog import hash_files
from trainer.data import Decoding, PixelCache, TrainingData, cache_spec, fill_cache
from trainer.model import Backbone, Classifier, load_backbone
from trainer.recipe import DEFAULT_BACKBONE, Recipe
from trainer.training.evaluate import predict_logits
from trainer.training.finetune import Finetuner
from trainer.training.head import extract_features, fit_head
from trainer.training.loop import build_on_device
from trainer.training.session import open_session

_CPU = torch.device("cpu")
_EVALUATED = 300
_STANDARD_ERRORS = 2.0
_DEFAULT_LR = "default"
_COLUMNS = {
    "photos": "photos",
    "classes": "classes",
    "epochs": "epochs",
    "steps": "steps",
    "lr": "maximum lr",
    "head": "head",
    "last": "last epoch",
    "difference": "points more",
    "errors": "standard errors",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Photos:
    """Every photo, decoded once.

    Attributes:
        labels: Of each photo.
        paths: Of each photo.
        train_count: The first ones may be trained on.
        train: As training images.
        evaluated: As the service decodes them.
    """

    labels: Sequence[str]
    paths: Sequence[str]
    train_count: int
    train: PixelCache
    evaluated: PixelCache


@dataclass(frozen=True, kw_only=True)
class Draw:
    """Positions of the photos of one cell and seed: those to train on, and those to evaluate on."""

    classes: Sequence[str]
    train: Sequence[int]
    evaluated: Sequence[int]


def main() -> None:
    """Measure what is missing and print a table for each learning rate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", type=Path, metavar="TRAIN.csv")
    parser.add_argument("valid", type=Path, metavar="VALID.csv")
    parser.add_argument("--work", type=Path, required=True, help="folder for results and decoded images")
    parser.add_argument("--photos", type=int, nargs="+", default=[20, 60, 150, 500])
    parser.add_argument("--classes", type=int, nargs="+", default=[2, 5, 20])
    parser.add_argument("--epochs", type=int, nargs="+", default=[1, 3, 12])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--lr", nargs="+", default=[_DEFAULT_LR], help=f"{_DEFAULT_LR}, or numbers")
    parser.add_argument("--label-column", default="coarse")
    parser.add_argument("--threads", type=int, default=usable_cores())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    results, measured = Results(options.work / "results.jsonl"), defaultdict(list)
    backbone = load_backbone(DEFAULT_BACKBONE, size=options.size)
    photos = decode(options, backbone)
    for count in options.photos:
        for classes in options.classes:
            for seed in range(options.first_seed, options.first_seed + options.seeds):
                for text, values in measure(photos, backbone, results, options, (count, classes, seed)):
                    measured[text].append(values)
    print(f"{machine('cpu')}, {versions('torch')}, {options.size} pixels, {options.seeds} seeds")
    for text, each in measured.items():
        print(f"\nlr {text}\n\n{report(each)}")


def decode(options: argparse.Namespace, backbone: Backbone) -> Photos:
    """Decode every photo of both tables, into the cache of the work folder."""
    tables = [(table.parent, row) for table in (options.train, options.valid) for row in read_rows(table)]
    files = [root / row["path"] for root, row in tables]
    hashes = hash_files(files, threads=options.threads)
    entries = [(sha256 or "", file) for sha256, file in zip(hashes.digests, files, strict=True)]
    decoding = Decoding(options.work / "cache", options.threads)
    return Photos(
        labels=[row[options.label_column] for _, row in tables],
        paths=[row["path"] for _, row in tables],
        train_count=len(read_rows(options.train)),
        train=fill_cache(entries, cache_spec(backbone.pixels), decoding),
        evaluated=fill_cache(entries, backbone.pixels, decoding),
    )


def draw(labels: Sequence[str], train_count: int, *, photos: int, classes: int, seed: int) -> Draw:
    """Draw classes, photos of them to train on, as many of each class as possible, and others to evaluate on."""
    random = np.random.default_rng((photos, classes, seed))
    of_class: dict[str, list[int]] = defaultdict(list)
    for position in random.permutation(train_count).tolist():
        of_class[labels[position]].append(position)
    evaluable = set(labels[train_count:])
    by_count = sorted(evaluable & of_class.keys(), key=lambda name: (-len(of_class[name]), name))
    enough = [name for name in by_count if len(of_class[name]) >= math.ceil(photos / classes)]
    drawn = sorted(random.choice(enough, classes, replace=False)) if len(enough) >= classes else by_count[:classes]
    rounds = [of_class[name][turn] for turn in range(train_count) for name in drawn if turn < len(of_class[name])]
    train = sorted(rounds[:photos])
    valid = [number for number in range(train_count, len(labels)) if labels[number] in drawn]
    rest: list[Row] = [{"position": str(number)} for number in sorted(rounds[photos:])]
    spread = [int(row["position"]) for row in evenly_spaced(rest, max(0, _EVALUATED - len(valid)))]
    return Draw(classes=[str(name) for name in drawn], train=train, evaluated=[*spread, *valid])


def measure(
    photos: Photos, backbone: Backbone, results: Results, options: argparse.Namespace, drawn: tuple[int, int, int]
) -> Iterator[tuple[str, Values]]:
    """Yield what each learning rate reaches in the cells of this number of photos and classes, with this seed."""
    count, classes, seed = drawn
    cell = draw(photos.labels, photos.train_count, photos=count, classes=classes, seed=seed)
    data, head = training_data(photos, cell), HeadFit(backbone, seed)
    for epochs in options.epochs:
        for text in options.lr:
            recipe = head.recipe(epochs, text)
            steps = epochs * -(-len(cell.train) // recipe.finetune.batch_size)
            lr = recipe.finetune.max_lr(steps=steps, after_head=True)
            spread = recipe.finetune.spread(pretrained=True, steps=steps, after_head=True)
            key = {
                "spread": spread,
                "size": options.size,
                "photos": count,
                "classes": classes,
                "seed": seed,
                "epochs": epochs,
                "lr": lr,
            }
            key["drawn"] = digest(
                *([{"path": photos.paths[each]} for each in side] for side in (cell.train, cell.evaluated))
            )
            values = results.once(key, lambda recipe=recipe: head.finetune(data, recipe))  # type: ignore[misc]
            paths = [photos.paths[position] for position in cell.evaluated]
            yield text, {**values, **key, "photos": len(cell.train), "steps": steps, "paths": paths}


class HeadFit:
    """The head of one draw, which is trained once, when it is first needed, and fine-tuned in several ways."""

    def __init__(self, backbone: Backbone, seed: int) -> None:
        self._backbone = backbone
        self._seed = seed
        self._model: Classifier | None = None
        self._hits = ""

    def recipe(self, epochs: int, lr: str) -> Recipe:
        """The default recipe with these epochs and this learning rate."""
        recipe = Recipe(seed=self._seed)
        changes = {"epochs": epochs} | ({} if lr == _DEFAULT_LR else {"lr": float(lr)})
        return dataclasses.replace(recipe, finetune=dataclasses.replace(recipe.finetune, **changes))  # type: ignore[arg-type]

    def finetune(self, data: TrainingData, recipe: Recipe) -> Values:
        """Hits of the head and of the last epoch: `1` or `0` for each evaluated photo."""
        session = open_session(data.train, _CPU)
        if self._model is None:
            self._model = build_on_device(copy.deepcopy(self._backbone), data, recipe, _CPU)
            features = extract_features(self._model, data, recipe, session)
            fit_head(self._model, features, data, recipe, session)
            self._hits = _hits(self._model, data)
        finetuner = Finetuner(copy.deepcopy(self._model), data, recipe, session)
        while not finetuner.is_done:
            for samples in finetuner.start_epoch():
                finetuner.train_step(samples)
            finetuner.finish_epoch()
        return {"head": self._hits, "last": _hits(finetuner.ema, data)}


def training_data(photos: Photos, cell: Draw) -> TrainingData:
    """The photos of a draw as `fit` has them; the validation images are those to evaluate on."""
    index = {name: number for number, name in enumerate(cell.classes)}
    train, evaluated = (
        np.array([index[photos.labels[position]] for position in positions], dtype=np.int64)
        for positions in (cell.train, cell.evaluated)
    )
    return TrainingData(
        task="classification",
        class_count=len(index),
        coarse_indices=np.zeros(0, dtype=np.int64),
        train=photos.train.select(cell.train),
        train_targets=train,
        valid=photos.evaluated.select(cell.evaluated),
        valid_targets=evaluated,
        subset=photos.evaluated.select([]),
        subset_positions=np.zeros(0, dtype=np.int64),
    )


def report(measured: Sequence[Values]) -> str:
    """Format a row for each cell, and a line that says which ones are worse than the head."""
    cells: dict[tuple[int, int, int], list[Values]] = defaultdict(list)
    for found in measured:
        cells[found["classes"], found["photos"], found["epochs"]].append(found)
    limit = corrected_limit(len(cells))
    rows, worse = [], []
    for (classes, photos, epochs), values in sorted(cells.items()):
        head, last = ("".join(each[name] for each in values) for name in ("head", "last"))
        differences = [int(after) - int(before) for after, before in zip(last, head, strict=True)]
        mean, error = clustered_mean(differences, [path for each in values for path in each["paths"]])
        errors = mean / error if error else math.copysign(math.inf, mean) if mean else 0.0
        if errors < -limit:
            worse.append(f"{photos} photos of {classes} classes, {epochs} epochs")
        rows.append(
            {
                "photos": photos,
                "classes": classes,
                "epochs": epochs,
                "steps": values[0]["steps"],
                "lr": f"{values[0]['lr']:.2g}",
                "head": percent(head.count("1") / len(head)),
                "last": percent(last.count("1") / len(last)),
                "difference": f"{100 * mean:+.1f} ± {100 * error:.1f}",
                "errors": f"{errors:+.1f}",
            }
        )
    verdict = f"worse than the head by more than {limit:.2f} standard errors: {'; '.join(worse) or 'no cell'}"
    return f"{markdown(_COLUMNS, rows)}\n\n{verdict} ({len(worse)} of {len(cells)})"


def corrected_limit(cells: int) -> float:
    """How many standard errors are as rare in one of so many cells as two are in one cell (Bonferroni)."""
    return NormalDist().inv_cdf(1 - (1 - NormalDist().cdf(_STANDARD_ERRORS)) / cells)


def _hits(model: Classifier, data: TrainingData) -> str:
    logits = predict_logits(model, data.valid, device=_CPU)
    return "".join(str(int(hit)) for hit in logits.argmax(axis=1) == data.valid_targets)


if __name__ == "__main__":
    main()
