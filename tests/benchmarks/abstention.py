"""What calibration, `--max-error` and sets of labels keep of their promises, on the runs of folds.

    OMP_NUM_THREADS=1 python -m tests.benchmarks.abstention FOLDER --root ROOT [--int8] [--max-error 0.02 0.05 0.1]

FOLDER is one that `tests.benchmarks.fold_runs` wrote. The images that each run has not seen are divided at random into
two halves, 100 times: temperature, threshold and quantile are fitted on one half, and measured on the other. The
calibration is that of metrics.json, cross-fitted, of the images of all folds together.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from service.bundle import FP32, INT8, read_bundle
from service.pixels import load
from tests.benchmarks.fold_runs import kept_runs
from tests.benchmarks.hardware import machine, versions
from tests.benchmarks.training.results import markdown, percent
from tests.benchmarks.training.tables import read_rows
from trainer.abstention.calibration_error import (
    Claims,
    calibration_error,
    calibration_interval,
    claims_of,
    perfect_calibration,
)
from trainer.abstention.conformal import label_sets, set_quantile
from trainer.abstention.cross_fitting import cross_fit
from trainer.abstention.risk import RiskBound, bounded_threshold
from trainer.export.ood_graph import embedder
from trainer.training.calibration import calibrate
from trainer.training.metrics import activate

_HALVES = 100
_CONFIDENCE = 0.95
_LEVEL = 0.95


@dataclass(frozen=True, kw_only=True, eq=False)
class Fold:
    """What a model file says of images that its run has not seen.

    Attributes:
        logits: float64 [N, K], at temperature 1.
        targets: int64 [N].
    """

    logits: npt.NDArray[np.float64]
    targets: npt.NDArray[np.int64]


def main() -> None:
    """Print the three tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--root", type=Path, required=True, help="folder that the paths of the tables are relative to")
    parser.add_argument("--int8", action="store_true", help="of model.int8.onnx; by default of model.onnx")
    parser.add_argument("--max-error", type=float, nargs="+", default=[0.02, 0.05, 0.1])
    options = parser.parse_args()
    file = INT8 if options.int8 else FP32
    folds = [read_fold(draw, options.root, file) for draw in kept_runs(options.folder)]
    count = sum(len(fold.targets) for fold in folds)
    print(f"{machine('cpu')}, {versions('torch')}; {file}; {len(folds)} folds, {count:,} images\n")
    print(calibration_table(folds))
    print(f"\n{bounds_table(folds, options.max_error)}\n\n{sets_line(folds)}")


def read_fold(draw: Path, root: Path, file: str) -> Fold:
    """Run a model file on the images that it has not seen."""
    bundle = read_bundle(draw / "run" / "bundle")
    file = file if file in bundle.models else FP32  # as it is served
    network, rows = embedder(bundle.models[file]), read_rows(draw / "valid.csv")
    images = (load((root / row["path"]).read_bytes(), bundle.spec.pixels).pixels for row in rows)
    logits = np.concatenate([network(image[np.newaxis]).logits for image in images]).astype(np.float64)
    return Fold(
        logits=logits * bundle.spec.models[file].temperature,
        targets=np.array([bundle.spec.classes.index(row["label"]) for row in rows]),
    )


def calibration_table(folds: list[Fold]) -> str:
    """The calibration error before and after, with what perfect calibration would show."""
    before = [claims_of(activate(fold.logits, "classification"), fold.targets, task="classification") for fold in folds]
    after = [
        claims_of(
            cross_fit(fold.logits, fold.targets, task="classification").probabilities,
            fold.targets,
            task="classification",
        )
        for fold in folds
    ]
    rows = []
    for name, parts in (("temperature 1", before), ("fitted on other images", after)):
        claims = Claims(
            probabilities=np.concatenate([part.probabilities for part in parts]),
            true=np.concatenate([part.true for part in parts]),
        )
        perfect = perfect_calibration(claims)
        low, high = calibration_interval(claims, perfect)
        alone = [calibration_error(part) for part in parts]
        rows.append(
            {
                "name": name,
                "ece": f"{calibration_error(claims):.3f} ({low:.3f} to {high:.3f})",
                "perfect": f"{perfect.mean:.3f}, 95 % below {perfect.upper:.3f}",
                "alone": f"{np.mean(alone):.3f} ({min(alone):.3f} to {max(alone):.3f})",
            }
        )
    columns = {"name": "probabilities", "ece": "ECE (95 % interval)", "perfect": "perfect calibration would show"}
    return markdown(columns | {"alone": "ECE of a fold alone"}, rows)


def bounds_table(folds: list[Fold], bounds: list[float]) -> str:
    """For each largest error: how often there is a threshold, what it answers, and how often the bound is broken."""
    random, found = np.random.default_rng(0), defaultdict[float, list[tuple[float, float, bool] | None]](list)
    for fold in folds:
        for _ in range(_HALVES):
            fitted, other = _halves(fold, random)
            calibration = calibrate(fitted.logits, fitted.targets, task="classification")
            parts = [calibration.activate(part.logits) for part in (fitted, other)]
            sure, correct = (
                [part.max(axis=1) for part in parts],
                [part.argmax(axis=1) == half.targets for part, half in zip(parts, (fitted, other), strict=True)],
            )
            for bound in bounds:
                threshold = bounded_threshold(sure[0], correct[0], RiskBound(max_error=bound, confidence=_CONFIDENCE))
                if threshold is None:
                    found[bound].append(None)
                    continue
                answered = sure[1] >= threshold.threshold
                error = float((~correct[1][answered]).mean()) if answered.any() else 0.0
                found[bound].append((float(answered.mean()), error, error > bound))
    rows = []
    for bound, results in found.items():
        kept = [result for result in results if result is not None]
        columns = list(zip(*kept, strict=True)) if kept else [(), (), ()]
        rows.append(
            {
                "bound": percent(bound),
                "there": percent(len(kept) / len(results)),
                "coverage": percent(float(np.mean(columns[0]))) if kept else "",
                "error": percent(float(np.mean(columns[1]))) if kept else "",
                "broken": percent(sum(columns[2]) / len(results)),
            }
        )
    titles = {"bound": "`--max-error`", "there": "a threshold was found", "coverage": "answered"}
    return markdown(titles | {"error": "of these wrong", "broken": "of all halves with more errors"}, rows)


def sets_line(folds: list[Fold]) -> str:
    """How often sets of the default level hold the right label, and how large they are."""
    random, held, sizes = np.random.default_rng(1), [], []
    for fold in folds:
        for _ in range(_HALVES):
            fitted, other = _halves(fold, random)
            calibration = calibrate(fitted.logits, fitted.targets, task="classification")
            right = calibration.activate(fitted.logits)[np.arange(len(fitted.targets)), fitted.targets]
            quantile = set_quantile(right, level=_LEVEL)
            assert quantile is not None
            sets = label_sets(calibration.activate(other.logits), quantile)
            held.append(float(sets[np.arange(len(sets)), other.targets].mean()))
            sizes.append(float(sets.sum(axis=1).mean()))
    return (
        f"Sets of {percent(_LEVEL)}: the right label is in {percent(float(np.mean(held)))} of them (5 % of the halves "
        f"below {percent(float(np.quantile(held, 0.05)))}); {np.mean(sizes):.2f} labels on average."
    )


def _halves(fold: Fold, random: np.random.Generator) -> tuple[Fold, Fold]:
    order = random.permutation(len(fold.targets))
    first, second = np.array_split(order, 2)
    return (
        Fold(logits=fold.logits[first], targets=fold.targets[first]),
        Fold(logits=fold.logits[second], targets=fold.targets[second]),
    )


if __name__ == "__main__":
    main()
