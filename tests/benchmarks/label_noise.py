"""How many of planted wrong labels are among the strongest suspects: each sign alone, together, and cleanlab.

    OMP_NUM_THREADS=1 python -m tests.benchmarks.label_noise TRAIN.csv [--features FILE.npz]
        [--seeds 5] [--first-seed 0] [--cleanlab PYTHON]
    OMP_NUM_THREADS=1 python -m tests.benchmarks.label_noise --generated N
    OMP_NUM_THREADS=1 python -m tests.benchmarks.label_noise --run RUN --planted FILE.json

Noise is planted in the labels of TRAIN.csv, symmetric (to a random other class) and as pair flips (to the class that
heads confuse most with it, by the given labels), for each seed in other images. The table shows recall: the fraction of
the planted images among as many of the strongest suspects as were planted (1x), and among twice as many. What is wrong
in TRAIN.csv itself counts as a false suspect. Below the table is what the diagnosis of a run would report. The
features, of 224 pixels, are computed once, and kept in FILE. On busy cores, several threads are many times slower.

`--cleanlab` is the Python of another environment, made with `pip install "cleanlab>=2.9,<2.10"`: its scores
(self-confidence and normalized margin) on the very probabilities of our heads, and CleanLearning on the same features
with its own logistic regression.

`--run` is a run of the images that `fieldguide sample` wrote, and `--planted` the list of their faults. It has 31 wrong
labels: the 27 that were planted as such, and four of copies under another label. How many of them are found.
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from tests.benchmarks.hardware import machine, versions
from tests.benchmarks.training.results import markdown
from trainer.catalog import ReadOptions, Row, read_catalog
from trainer.cleaning.heads import Labelled, divide_into_folds, judge_by_heads, label_margins
from trainer.cleaning.neighbours import find_neighbours
from trainer.cleaning.noise import find_label_noise
from trainer.cleaning.suspects import combine, find_suspects
from trainer.data import Decoding, prepare
from trainer.diagnosis import FeatureNetwork
from trainer.diagnosis.near_duplicates import near_duplicate_groups, whiten
from trainer.model import load_backbone
from trainer.progress import NoProgress
from trainer.recipe import DEFAULT_BACKBONE
from trainer.run.features import read_features
from trainer.run.folder import RunFolder

KINDS = ("symmetric", "pair flip")
FRACTIONS = (0.05, 0.10)
Values = npt.NDArray[Any]

# Reads features, labels and our probabilities; the lower a score, the more suspect.
_CLEANLAB = """
import sys
import warnings
import numpy as np
warnings.simplefilter("ignore")  # its logistic regression stops after 100 iterations
from cleanlab.classification import CleanLearning
from cleanlab.rank import get_label_quality_scores
given = np.load(sys.argv[1])
labels, probabilities = given["labels"], given["probabilities"].astype(np.float64)
probabilities /= probabilities.sum(axis=1, keepdims=True)
scores = {
    method: get_label_quality_scores(labels, probabilities, method=method)
    for method in ("self_confidence", "normalized_margin")
}
found = CleanLearning(seed=0, verbose=False).find_label_issues(given["features"].astype(np.float32), labels)
scores["own"] = found["label_quality"].to_numpy()
np.savez(sys.argv[2], **scores)
"""


def main() -> None:
    """Print a row for each way to rank."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", type=Path, nargs="?")
    parser.add_argument("--generated", type=int, metavar="N")
    parser.add_argument("--run", type=Path, metavar="RUN")
    parser.add_argument("--planted", type=Path, metavar="FILE.json")
    parser.add_argument("--features", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--cleanlab", help="Python with cleanlab 2.9")
    options = parser.parse_args()
    if options.generated:
        print(generated(options.generated))
        return
    if options.run:
        print(found_in_sample(RunFolder(options.run), options.planted))
        return
    features, targets = load_features(options.train, options.features)
    pairs = most_confused(features, targets)
    recalls: defaultdict[str, defaultdict[tuple[str, float], list[tuple[float, float]]]]
    recalls = defaultdict(lambda: defaultdict(list))
    expected: defaultdict[tuple[str, float], list[int]] = defaultdict(list)
    diagnosed: defaultdict[tuple[str, float], list[tuple[int, int]]] = defaultdict(list)
    seconds: list[float] = []
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        for kind, fraction in itertools.product(KINDS, FRACTIONS):
            labels, planted = plant(targets, kind, fraction, pairs=pairs, seed=seed)
            started = time.perf_counter()
            judged = find_suspects(features, labels, class_count=len(pairs), seed=seed)
            seconds.append(time.perf_counter() - started)
            expected[kind, fraction].append(judged.expected["wrong"])
            diagnosed[kind, fraction].append(suspects_of_diagnosis(features, labels, planted))
            ranked = {"**find_suspects**": judged.suspects["wrong"].positions}
            signs = signs_alone(features, labels, class_count=len(pairs), seed=seed)
            if options.cleanlab:
                signs |= cleanlab_scores(options.cleanlab, features, labels, judged.probabilities)
            ranked |= {name: np.argsort(scores, kind="stable") for name, scores in signs.items()}
            for name, order in ranked.items():
                found = [np.isin(planted, order[: times * len(planted)]).mean() for times in (1, 2)]
                recalls[name][kind, fraction].append((found[0], found[1]))
        print(f"after seed {seed}:\n{table(recalls)}\n", file=sys.stderr, flush=True)
    print(f"{machine('cpu')}, {versions('torch')}; {len(features):,} images, {len(pairs)} classes\n")
    print(table(recalls))
    print(f"\nfind_suspects: {np.median(seconds):.1f} s ({min(seconds):.1f} to {max(seconds):.1f}); expected:")
    for (kind, fraction), counts in expected.items():
        print(f"- {kind} {fraction:.0%}: {np.mean(counts):.0f} of {round(fraction * len(features))}")
    print("\nThe diagnosis:")
    print(f"- labels as they are: {suspects_of_diagnosis(features, targets, np.array([]))[0]} suspects")
    for (kind, fraction), found in diagnosed.items():
        suspects, right = np.mean(found, axis=0)
        print(f"- {kind} {fraction:.0%}: {suspects:.0f} suspects, {right / max(1, suspects):.0%} of them planted")


def generated(count: int, *, class_count: int = 100) -> str:
    """How long N made-up images take and how much memory, with 5 % of pair flips."""
    features, targets = made_up_features(count, class_count=class_count)
    labels, _ = plant(targets, "pair flip", 0.05, pairs=(np.arange(class_count) + 1) % class_count, seed=0)
    before, wall, processor = (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        time.perf_counter(),
        time.process_time(),
    )
    find_suspects(features, labels, class_count=class_count)
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    memory = [kilobytes / 1e3 for kilobytes in (before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)]
    return (
        f"{wall:.1f} s, {processor:.1f} s of processor time, {memory[0]:.0f} MB before and {memory[1]:.0f} MB at most"
    )


def made_up_features(count: int, *, class_count: int, width: int = 1280, noise: float = 1.0) -> tuple[Values, Values]:
    """Features of N images in clusters, float16 [N, C], and the cluster of each, int64 [N]."""
    random = np.random.default_rng(0)
    centres = random.normal(size=(class_count, width)).astype(np.float32) / 2
    targets = random.integers(0, class_count, count)
    features = np.empty((count, width), dtype=np.float16)
    for start in range(0, count, 10_000):
        part = centres[targets[start : start + 10_000]]
        features[start : start + 10_000] = part + noise * random.standard_normal(part.shape, dtype=np.float32)
    return features, targets


def load_features(train: Path, file: Path | None) -> tuple[Values, Values]:
    """The features of the photos and their labels; both are kept in a file."""
    if file is not None and file.exists():
        kept = np.load(file)
        return kept["features"], kept["targets"]
    pixels = load_backbone(DEFAULT_BACKBONE).pixels
    with tempfile.TemporaryDirectory() as temporary:
        catalog = read_catalog(train, ReadOptions(split="none"))
        data = prepare(catalog, pixels, seed=0, decoding=Decoding(Path(temporary), threads=2)).data
        network = FeatureNetwork(torch.device("cpu"), progress=NoProgress())
        features = network.embed_whole(data.train, pixels, size=pixels.size)
    if file is not None:
        np.savez(file, features=features, targets=data.train_targets)
    return features, data.train_targets


def most_confused(features: Values, targets: Values) -> Values:
    """For each class the other one that heads find most probable for its images."""
    found = find_suspects(features, targets, class_count=int(targets.max()) + 1).probabilities
    means = np.stack([found[targets == label].mean(axis=0) for label in range(found.shape[1])])
    np.fill_diagonal(means, -1)
    return np.asarray(means.argmax(axis=1))


def plant(targets: Values, kind: str, fraction: float, *, pairs: Values, seed: int) -> tuple[Values, Values]:
    """Labels with noise, and the positions of the wrong ones."""
    random = np.random.default_rng(seed)
    planted = random.choice(len(targets), round(fraction * len(targets)), replace=False)
    labels = targets.copy()
    others = (targets[planted] + random.integers(1, len(pairs), len(planted))) % len(pairs)
    labels[planted] = others if kind == "symmetric" else pairs[targets[planted]]
    return labels, planted


def suspects_of_diagnosis(features: Values, labels: Values, planted: Values) -> tuple[int, int]:
    """How many labels the diagnosis would report as wrong, 0 if it would not say anything, and how many are planted."""
    classes = [str(index) for index in range(int(labels.max()) + 1)]
    rows = [Row(path=str(position), labels=frozenset(), split="train") for position in range(len(labels))]
    noise = find_label_noise(features, labels, rows, classes=classes)
    found = [int(suspect.path) for suspect in noise.suspects] if noise else []
    return len(found), int(np.isin(found, planted).sum())


def found_in_sample(run: RunFolder, planted: Path) -> str:
    """How many of the wrong labels in the images of `fieldguide sample` are among the strongest suspects."""
    rows = read_catalog(run.catalog, ReadOptions(root=run.path), must_exist=False).rows
    features = read_features(run, count=len(rows))
    faults = json.loads(planted.read_text())
    position_of = {row.path: position for position, row in enumerate(rows)}
    labels = [next(iter(row.labels)) for row in rows]
    wrong = {fault["fault"]: set[int]() for fault in faults if fault["fault"] in ("mislabelled", "exact_duplicate")}
    for fault in faults:
        position = position_of.get(fault["path"])
        if fault["fault"] in wrong and position is not None and labels[position] != fault["true_label"]:
            wrong[fault["fault"]].add(position)
    classes = sorted({*labels})
    judged = find_suspects(
        features if features is not None else np.empty((0, 0)),
        np.array([classes.index(label) for label in labels]),
        class_count=len(classes),
        is_train=np.array([row.split == "train" for row in rows]),
    )
    order = judged.suspects["wrong"].positions.tolist()
    lines = [f"{len(rows):,} images; expected: {judged.expected['wrong']} wrong labels"]
    every = set().union(*wrong.values())
    for name, planted_there in (("mislabelled", wrong["mislabelled"]), ("and copies, all wrong labels", every)):
        budgets = sorted({len(planted_there), len(every), 2 * len(every)})
        recalls = [len(planted_there.intersection(order[:budget])) / len(planted_there) for budget in budgets]
        listed = ", ".join(f"{recall:.3f} among the first {n}" for recall, n in zip(recalls, budgets, strict=True))
        lines.append(f"- {name}, {len(planted_there)}: recall {listed}")
    return "\n".join(lines)


def signs_alone(features: Values, labels: Values, *, class_count: int, seed: int) -> dict[str, Values]:
    """What each sign alone, and others of their sums, say of the labels; the lower, the more suspect."""
    units, groups = whiten(features), near_duplicate_groups(features)
    images = Labelled(
        units=units,
        targets=labels,
        is_train=np.ones(len(labels), dtype=np.bool_),
        folds=divide_into_folds(groups, labels, seed=seed),
        class_count=class_count,
    )
    heads = judge_by_heads(images, seed=seed)
    out_of_fold = label_margins(np.log(heads.probabilities + 1e-6), labels)
    with_duplicates = find_neighbours(units, np.arange(len(units)), seed=seed)
    neighbours = find_neighbours(units, groups, seed=seed)
    votes, all_votes = (
        np.concatenate([part for _, part in found.votes(labels, class_count=class_count)])
        for found in (neighbours, with_duplicates)
    )
    near, near_with_duplicates = (label_margins(np.log(found + 1e-3), labels) for found in (votes, all_votes))
    signs = {"(a) out-of-fold margin": out_of_fold, "(b) margin while learning": heads.margins, "(c) neighbours": near}
    a, b, c = (value.argsort().argsort() for value in signs.values())
    return signs | {
        "(c) with near duplicates": near_with_duplicates,
        "a + b + c, ranks": a + b + c,
        "b + c, ranks": b + c,
        "a + b + c, standardised": combine(out_of_fold, heads.margins, near),
        "a + c, standardised": combine(out_of_fold, near),
    }


def cleanlab_scores(python: str, features: Values, labels: Values, probabilities: Values) -> dict[str, Values]:
    """What cleanlab says of the same labels."""
    with tempfile.TemporaryDirectory() as temporary:
        given, found = Path(temporary) / "given.npz", Path(temporary) / "found.npz"
        np.savez(given, features=features, labels=labels, probabilities=probabilities)
        subprocess.run([python, "-c", _CLEANLAB, str(given), str(found)], check=True, stdout=subprocess.DEVNULL)
        with np.load(found) as scores:
            return {
                "cleanlab, self-confidence, our probabilities": scores["self_confidence"],
                "cleanlab, normalized margin, our probabilities": scores["normalized_margin"],
                "cleanlab, its logistic regression": scores["own"],
            }


def table(recalls: Any) -> str:
    """Mean recalls at 1x and 2x."""
    columns = {"name": "ranked by"} | {
        f"{kind} {fraction}": f"{kind} {fraction:.0%}: 1x, 2x" for kind in KINDS for fraction in FRACTIONS
    }
    rows = [
        {"name": name}
        | {f"{kind} {fraction}": "{:.3f}, {:.3f}".format(*np.mean(v, axis=0)) for (kind, fraction), v in found.items()}
        for name, found in recalls.items()
    ]
    return markdown(columns, rows)


if __name__ == "__main__":
    main()
