"""The weights of a run's last epoch on images of several sizes: larger ones than it was trained on may be better.

    python -m tests.benchmarks.sizes RUN --cache FOLDER [--sizes 224 256 288] [--threads 2]

A random crop shows things larger than the whole image does: a network sees them larger in training than in service,
where both have the same size (Touvron et al. 2019, "Fixing the train-test resolution discrepancy", arXiv:1906.06423).

For each size, on the validation images of a run of one label an image: accuracy, the mean loss, the temperature that a
bundle would have (`trainer/fitting/measuring/calibration.py`), the loss without it, and images a second in fp32. Where
the run has groups, also the accuracy of summed probabilities, and what it would be without the temperature. Differences
are those to the first size, with their standard error over groups of photos that are alike.
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
from trainer.training.coarse import sum_coarse

from service.cores import usable_cores
from tests.benchmarks.hardware import machine, versions
from tests.benchmarks.training.alike import LEAST_SIMILARITY, alike_groups
from tests.benchmarks.training.errors import clustered_mean
from tests.benchmarks.training.last_epoch import last_model
from tests.benchmarks.training.results import markdown, percent
from trainer.catalog import Catalog
from trainer.data import Decoding, prepare_validation
from trainer.model import load_backbone
from trainer.recipe import RANDOM_WEIGHTS
from trainer.run.folder import own_catalog, recipe_of
from trainer.training.calibration import calibrate
from trainer.training.evaluate import BATCH_SIZE, predict_logits
from trainer.training.metrics import activate, measure

_COLUMNS = {
    "size": "size",
    "right": "accuracy",
    "right_points": "points more",
    "group_right": "groups",
    "group_right_points": "points more",
    "loss": "loss",
    "temperature": "temperature",
    "plain_loss": "loss without it",
    "plain_group_right": "groups without it",
    "speed": "images/s",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """What a network said of all images at one size.

    right  of each image, 0 or 1, under the names of the columns: float64 [N]
    """

    size: int
    right: dict[str, npt.NDArray[np.float64]]
    loss: float
    plain_loss: float
    temperature: float
    images_per_second: float


def main() -> None:
    """Print a row a size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument(
        "--cache", type=Path, required=True, help="decoded images of an earlier run, or an empty folder"
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[224, 256, 288])
    parser.add_argument("--threads", type=int, default=usable_cores())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    catalog = own_catalog(options.run, recipe_of(options.run), None)
    if catalog.task != "classification":
        parser.error("only runs of one label an image are judged")
    files = [catalog.file_of(row) for row in catalog.split("valid")]
    groups = alike_groups(files, least_similarity=LEAST_SIMILARITY, cache=options.cache, threads=options.threads)
    alike = [str(group) for group in groups]
    found = [
        answer(options.run, catalog, size=size, cache=options.cache, threads=options.threads) for size in options.sizes
    ]
    print(f"{machine('cpu')}, {versions('torch')}, {len(files)} images, {len(set(alike))} groups of alike ones\n")
    print(markdown(_COLUMNS, [_row(answers, found[0], alike) for answers in found]))


def answer(run: Path, catalog: Catalog, *, size: int, cache: Path, threads: int) -> Answers:
    """Answer for every validation image."""
    backbone = load_backbone(recipe_of(run).backbone, size=size, weights=RANDOM_WEIGHTS)  # the run has its own
    _, images = prepare_validation(catalog, backbone.pixels, decoding=Decoding(cache, threads))
    device = torch.device("cpu")
    model = last_model(run, backbone, class_count=len(catalog.classes), device=device)
    predict_logits(model, images.select(range(min(BATCH_SIZE, len(images)))), device=device)  # the first pass is slow
    start = time.perf_counter()
    logits = predict_logits(model, images, device=device)
    seconds = time.perf_counter() - start
    targets: npt.NDArray[Any] = catalog.targets(catalog.split("valid"))
    calibration = calibrate(logits, targets, task=catalog.task)
    calibrated, plain = calibration.activate(logits), activate(logits, catalog.task)
    right = {"right": calibrated.argmax(axis=1) == targets}
    if catalog.coarse_labels:
        for name, probabilities in (("group_right", calibrated), ("plain_group_right", plain)):
            best = sum_coarse(probabilities, catalog.coarse_indices).argmax(axis=1)
            right[name] = best == catalog.coarse_indices[targets]
    return Answers(
        size=size,
        right={name: each.astype(np.float64) for name, each in right.items()},
        loss=measure(calibrated, targets, task=catalog.task)["loss"],
        plain_loss=measure(plain, targets, task=catalog.task)["loss"],
        temperature=calibration.temperature,
        images_per_second=len(images) / seconds,
    )


def _row(answers: Answers, first: Answers, alike: list[str]) -> dict[str, object]:
    row: dict[str, object] = {name: percent(float(right.mean())) for name, right in answers.right.items()}
    if answers is not first:
        for name in sorted(answers.right.keys() & {"right", "group_right"}):
            mean, error = clustered_mean((answers.right[name] - first.right[name]).tolist(), alike)
            row[f"{name}_points"] = f"{100 * mean:+.1f} ± {100 * error:.1f}"
    return row | {
        "size": answers.size,
        "loss": f"{answers.loss:.2f}",
        "temperature": f"{answers.temperature:.2f}",
        "plain_loss": f"{answers.plain_loss:.2f}",
        "speed": f"{answers.images_per_second:.0f}",
    }


if __name__ == "__main__":
    main()
