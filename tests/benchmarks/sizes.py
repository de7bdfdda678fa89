"""The weights of a run's last epoch on images of several sizes: larger ones than it was trained on may be better.

    python -m tests.benchmarks.sizes RUN --cache FOLDER [--sizes 224 256 288] [--threads 2]

A random crop shows things larger than the whole image does: if both have the same size, a network sees things larger in
training than in service (Touvron et al. 2019, "Fixing the train-test resolution discrepancy", arXiv:1906.06423).

For each size, on the validation images of a classification run: accuracy, the mean loss, the temperature that a bundle
would have (`trainer/training/calibration.py`), the loss without it, and images a second in fp32. If the run has coarse
labels, also their accuracy by summed probabilities, and what it would be without the temperature. Differences are those
to the first size, with their standard error over groups of near duplicates.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from service.cores import usable_cores
from tests.benchmarks.hardware import machine, versions
from tests.benchmarks.training.image_groups import LEAST_SIMILARITY, group_near_duplicates
from tests.benchmarks.training.last_epoch import last_model
from tests.benchmarks.training.results import markdown, percent
from tests.benchmarks.training.standard_error import clustered_mean
from trainer.catalog import Catalog
from trainer.data import Decoding, hash_and_decode
from trainer.model import load_backbone
from trainer.recipe import RANDOM_WEIGHTS
from trainer.run import RunFolder
from trainer.training.calibration import calibrate
from trainer.training.evaluate import BATCH_SIZE, predict_logits
from trainer.training.metrics import activate, compute_metrics
from trainer.training.tasks.numbers import sum_coarse

_COLUMNS = {
    "size": "size",
    "correct": "accuracy",
    "correct_points": "points more",
    "coarse_correct": "coarse",
    "coarse_correct_points": "points more",
    "loss": "loss",
    "temperature": "temperature",
    "uncalibrated_loss": "loss without it",
    "uncalibrated_coarse_correct": "coarse without it",
    "speed": "images/s",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class SizeResult:
    """The predictions of a network for all images at one size.

    Attributes:
        size: Side of the images, pixels.
        correct: Column -> 0 or 1 for each image, float64 [N].
        loss: With the temperature.
        uncalibrated_loss: Without it.
        temperature: Of the bundle.
        images_per_second: In fp32.
    """

    size: int
    correct: dict[str, npt.NDArray[np.float64]]
    loss: float
    uncalibrated_loss: float
    temperature: float
    images_per_second: float


def main() -> None:
    """Print a row for each size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--cache", type=Path, required=True, help="cache of an earlier run, or an empty folder")
    parser.add_argument("--sizes", type=int, nargs="+", default=[224, 256, 288])
    parser.add_argument("--threads", type=int, default=usable_cores())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    run, decoding = RunFolder(options.run), Decoding(options.cache, options.threads)
    catalog = run.read_catalog(run.read_recipe(), None)
    if catalog.task != "classification":
        parser.error("only runs with one label for each image can be evaluated")
    files = [catalog.file_of(row) for row in catalog.split("valid")]
    groups = [
        str(group)
        for group in group_near_duplicates(
            files, least_similarity=LEAST_SIMILARITY, cache=options.cache, threads=options.threads
        )
    ]
    found = [evaluate_at(size, run, catalog, decoding) for size in options.sizes]
    print(f"{machine('cpu')}, {versions('torch')}, {len(files)} images, {len(set(groups))} groups of near duplicates\n")
    print(markdown(_COLUMNS, [_row(result, found[0], groups) for result in found]))


def evaluate_at(size: int, run: RunFolder, catalog: Catalog, decoding: Decoding) -> SizeResult:
    """Evaluate the last epoch on the validation images at one size."""
    backbone = load_backbone(run.read_recipe().backbone, size=size, weights=RANDOM_WEIGHTS)  # the run has its own
    _, images, _ = hash_and_decode(catalog, catalog.split("valid"), backbone.pixels, decoding=decoding)
    device = torch.device("cpu")
    model = last_model(run, backbone, class_count=len(catalog.classes), device=device)
    predict_logits(model, images.select(range(min(BATCH_SIZE, len(images)))), device=device)  # the first pass is slow
    start = time.perf_counter()
    logits = predict_logits(model, images, device=device)
    seconds = time.perf_counter() - start
    targets: npt.NDArray[Any] = catalog.targets(catalog.split("valid"))
    calibration = calibrate(logits, targets, task=catalog.task)
    calibrated, uncalibrated = calibration.activate(logits), activate(logits, catalog.task)
    correct = {"correct": calibrated.argmax(axis=1) == targets}
    if catalog.coarse_labels:
        for name, probabilities in (("coarse_correct", calibrated), ("uncalibrated_coarse_correct", uncalibrated)):
            best = sum_coarse(probabilities, catalog.coarse_indices).argmax(axis=1)
            correct[name] = best == catalog.coarse_indices[targets]
    return SizeResult(
        size=size,
        correct={name: each.astype(np.float64) for name, each in correct.items()},
        loss=compute_metrics(calibrated, targets, task=catalog.task)["loss"],
        uncalibrated_loss=compute_metrics(uncalibrated, targets, task=catalog.task)["loss"],
        temperature=calibration.temperature,
        images_per_second=len(images) / seconds,
    )


def _row(result: SizeResult, first: SizeResult, groups: list[str]) -> dict[str, object]:
    row: dict[str, object] = {name: percent(float(correct.mean())) for name, correct in result.correct.items()}
    if result is not first:
        for name in sorted(result.correct.keys() & {"correct", "coarse_correct"}):
            mean, error = clustered_mean((result.correct[name] - first.correct[name]).tolist(), groups)
            row[f"{name}_points"] = f"{100 * mean:+.1f} ± {100 * error:.1f}"
    return row | {
        "size": result.size,
        "loss": f"{result.loss:.2f}",
        "temperature": f"{result.temperature:.2f}",
        "uncalibrated_loss": f"{result.uncalibrated_loss:.2f}",
        "speed": f"{result.images_per_second:.0f}",
    }


if __name__ == "__main__":
    main()
