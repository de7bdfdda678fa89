"""Whether what `what_to_collect` predicts comes true: half of the training images are held back, and then added.

    OMP_NUM_THREADS=1 python -m tests.benchmarks.collecting RUN [--seeds 10]
    OMP_NUM_THREADS=1 python -m tests.benchmarks.collecting --generated N

RUN was trained by `fit` on the photos. For each seed, a random half of the scenes (groups of near duplicates) of each
class is held back. From the other half it is predicted what twice as many photos bring; then all that were held back
are added, or only those of ten classes, chosen in several ways, and heads are trained again, four each. Everything is
measured on the run's validation images.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.benchmarks.hardware import machine, versions
from tests.benchmarks.label_noise import made_up_features
from tests.benchmarks.training.results import markdown
from trainer.cleaning.collecting import Collecting, what_to_collect
from trainer.cleaning.heads import Labelled, train_head
from trainer.diagnosis.near_duplicates import near_duplicate_groups, whiten
from trainer.run import RunFolder
from trainer.run.features import read_features

CHOSEN = 10
HEADS = 4
Values = npt.NDArray[Any]


def main() -> None:
    """Print what was predicted and what came true."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, nargs="?")
    parser.add_argument("--generated", type=int, metavar="N")
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args()
    if options.generated:
        print(generated(options.generated))
        return
    trial = Trial(options.run)
    rows: defaultdict[str, list[dict[str, float]]] = defaultdict(list)
    seconds, inside = [], []
    for seed in range(options.seeds):
        half = trial.half(np.random.default_rng(seed))
        started = time.perf_counter()
        found = trial.predict(half, seed=seed)
        seconds.append(time.perf_counter() - started)
        before, after = trial.recognized(half), trial.recognized(trial.train)
        low, high = found.curve[-1].interval
        inside.append(low <= after.mean() <= high)
        rows["all classes"].append(
            {
                "photos": len(trial.train) - len(half),
                "predicted": found.curve[-1].accuracy - found.curve[-2].accuracy,
                "own": after.mean() - before.mean(),
                "all": after.mean() - before.mean(),
            }
        )
        for name, chosen in trial.choices(found, half, before, seed=seed).items():
            rows[name].append(trial.outcome(half, chosen, found, before))
        print(f"seed {seed}: {found.curve[-2].accuracy:.3f} -> {found.curve[-1].accuracy:.3f}", flush=True)
    print(f"\n{machine('cpu')}, {versions('torch')}; {len(trial.train):,} training images\n")
    print(table(rows))
    print(f"\nthe accuracy after all were added is in its interval: {sum(inside)} of {len(inside)}")
    print(f"what_to_collect: {np.median(seconds):.1f} s ({min(seconds):.1f} to {max(seconds):.1f})")


class Trial:
    """A run's features, of which training images can be held back."""

    def __init__(self, path: Path) -> None:
        run = RunFolder(path)
        catalog = run.read_catalog(run.read_recipe(), None, must_exist=False)
        features = read_features(run, count=len(catalog.rows))
        if features is None:
            raise SystemExit(f"{path} has no features.npy: train it with `fit`")
        splits = np.array([row.split for row in catalog.rows])
        self.features, self.splits = np.asarray(features), splits
        self.targets = catalog.targets(catalog.rows)
        self.classes = len(catalog.classes)
        self.train, self.valid = np.flatnonzero(splits == "train"), np.flatnonzero(splits == "valid")
        self.groups = near_duplicate_groups(self.features)
        self.images = Labelled(
            units=whiten(self.features),
            targets=self.targets,
            is_train=splits == "train",
            folds=np.zeros(len(splits), dtype=np.int64),
            class_count=self.classes,
        )
        self.valid_counts = np.bincount(self.targets[self.valid], minlength=self.classes)

    def half(self, random: np.random.Generator) -> Values:
        """Half of the images of each class, in whole groups."""
        order = random.random(int(self.groups.max()) + 1)
        kept = []
        for label in range(self.classes):
            own = self.train[self.targets[self.train] == label]
            own = own[np.argsort(order[self.groups[own]], kind="stable")]
            kept.append(own[: max(1, round(len(own) / 2))])
        return np.concatenate(kept)

    def predict(self, half: Values, *, seed: int) -> Collecting:
        """What is predicted from these training images."""
        is_train = np.zeros(len(self.targets), dtype=np.bool_)
        is_train[half] = True
        return what_to_collect(
            self.features,
            self.targets,
            class_count=self.classes,
            is_train=is_train,
            is_valid=self.splits == "valid",
            seed=seed,
        )

    def recognized(self, learned: Values) -> Values:
        """How often each validation image is recognized after these images were learned."""
        heads = [train_head(self.images, learned, seed=(number,)) for number in range(HEADS)]
        units, targets = self.images.units[self.valid], self.targets[self.valid]
        return np.asarray(np.mean([head.logits(units).argmax(axis=1) == targets for head in heads], axis=0))

    def choices(self, found: Collecting, half: Values, before: Values, *, seed: int) -> dict[str, Values]:
        """Ten classes that are validated, chosen in several ways."""
        validated = np.flatnonzero(self.valid_counts >= 3)
        counts = np.bincount(self.targets[half], minlength=self.classes)
        quarter = np.mean([self.recognized(self._part(half, seed=(seed, number))) for number in range(HEADS)], axis=0)
        steep = np.bincount(self.targets[self.valid], before - quarter, minlength=self.classes) / np.maximum(
            self.valid_counts, 1
        )
        random = np.random.default_rng((seed, 1))
        return {
            "**what_to_collect**": np.array([wanted.index for wanted in found.wanted]),
            "steepest own curve": validated[np.argsort(-steep[validated], kind="stable")[:CHOSEN]],
            "fewest photos": validated[np.argsort(counts[validated], kind="stable")[:CHOSEN]],
            "random": random.choice(validated, CHOSEN, replace=False),
        }

    def _part(self, half: Values, *, seed: tuple[int, int]) -> Values:
        random = np.random.default_rng(seed)
        own = [random.permutation(half[self.targets[half] == label]) for label in range(self.classes)]
        return np.concatenate([images[: max(1, round(len(images) / 2))] for images in own])

    def outcome(self, half: Values, chosen: Values, found: Collecting, before: Values) -> dict[str, float]:
        """What was predicted for these classes, and what came of adding their images."""
        held_back = np.setdiff1d(self.train, half)
        added = held_back[np.isin(self.targets[held_back], chosen)]
        after = self.recognized(np.concatenate([half, added]))
        labels = self.targets[self.valid]
        own = np.isin(labels, chosen)
        gains = {wanted.index: wanted.gain for wanted in found.wanted}
        predicted = [gains.get(int(label), np.nan) for label in labels[own]]
        return {
            "photos": len(added),
            "predicted": float(np.mean(predicted)),
            "own": float(after[own].mean() - before[own].mean()),
            "all": float(after.mean() - before.mean()),
        }


def table(rows: Any) -> str:
    """Means over the seeds, and the least and the most."""
    columns = {
        "name": "photos are added of",
        "photos": "photos",
        "predicted": "gain of these classes, predicted",
        "own": "came true",
        "all": "gain of all classes",
    }
    cells = []
    for name, found in rows.items():
        values = {key: np.array([row[key] for row in found]) for key in found[0]}
        cells.append(
            {"name": name, "photos": f"{values.pop('photos').mean():.0f}"}
            | {
                key: "-"
                if np.isnan(column).any()
                else f"{column.mean():.3f} ({column.min():.3f} to {column.max():.3f})"
                for key, column in values.items()
            }
        )
    return markdown(columns, cells)


def _range(column: Values) -> str:
    return "-" if np.isnan(column).any() else f"{column.mean():.3f} ({column.min():.3f} to {column.max():.3f})"


def generated(count: int, *, class_count: int = 100) -> str:
    """How long N made-up images take, a tenth of them for validation, and how much memory."""
    features, targets = made_up_features(count, class_count=class_count, noise=2)
    is_valid = np.arange(count) % 10 == 0
    before, wall, processor = _most_memory(), time.perf_counter(), time.process_time()
    what_to_collect(features, targets, class_count=class_count, is_train=~is_valid, is_valid=is_valid)
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    return (
        f"{wall:.1f} s, {processor:.1f} s of processor time, {before:.0f} MB before and {_most_memory():.0f} MB at most"
    )


def _most_memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


if __name__ == "__main__":
    main()
