"""Predictions of the exported model on image files, made with the code that serves it, and what is measured of them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from service.bundle.spec import Task
from service.inputs import read_bytes
from service.pixels import ImageError
from service.predictor import Predictor
from trainer.predictions import Doubt
from trainer.progress import Progress
from trainer.training.calibration import Calibration
from trainer.training.metrics import compute_metrics
from trainer.training.tasks import TASKS

CONFIDENCE_BINS = 20


def predict_files(
    predictor: Predictor, files: Sequence[Path], *, threads: int, progress: Progress
) -> tuple[npt.NDArray[np.float32], dict[int, str]]:
    """Predict image files as the service does.

    Args:
        predictor: The exported model.
        files: Paths of encoded images.
        threads: Number of images that are processed at the same time.
        progress: Is advanced after every file.

    Returns:
        Probabilities of the M files that the service accepts, float32 [M, K], in order; and for each of the other files
        its position and why it was refused.

    Raises:
        OSError: A file cannot be read.
    """
    probabilities, _, refused = predict_files_with_doubts(predictor, files, threads=threads, progress=progress)
    return probabilities, refused


def predict_files_with_doubts(
    predictor: Predictor, files: Sequence[Path], *, threads: int, progress: Progress
) -> tuple[npt.NDArray[np.float32], list[Doubt], dict[int, str]]:
    """Do what `predict_files` does; also return what the model does not know of each of the M files, in order."""
    progress.start("evaluate the bundle", len(files))
    results = []
    with ThreadPoolExecutor(threads, thread_name_prefix="predict") as pool:
        for result in pool.map(partial(_predict_file, predictor), files):
            results.append(result)
            progress.advance()
    accepted = [result for result in results if not isinstance(result, str)]
    probabilities = np.asarray([found for found, _ in accepted], dtype=np.float32)
    refused = {position: result for position, result in enumerate(results) if isinstance(result, str)}
    return probabilities.reshape(len(accepted), len(predictor.spec.classes)), [doubt for _, doubt in accepted], refused


def _predict_file(predictor: Predictor, path: Path) -> tuple[npt.NDArray[np.float32], Doubt] | str:
    """Probabilities, float32 [K], with what the model does not know; or why the service refuses the file."""
    try:
        found = predictor.predict(read_bytes(path))
    except ImageError as error:
        return str(error)
    return found.probabilities, Doubt(abstained=found.abstained, label_set=found.label_set)


def measure_file(
    probabilities: npt.NDArray[np.float32],
    targets: npt.NDArray[Any],
    calibration: Calibration,
    *,
    coarse_indices: npt.NDArray[np.int64] | None = None,
) -> dict[str, Any]:
    """What metrics.json says of a model file, measured on images of which the labels are known.

    Args:
        probabilities: float32 [N, K], as the file gives them, N at least 1.
        targets: int64 [N] for classification, float32 [N, K] for multilabel.
        calibration: Of the file.
        coarse_indices: As in `compute_metrics`.

    Returns:
        `validation` and `reference`.
    """
    task, thresholds = calibration.task, calibration.thresholds
    metrics = compute_metrics(probabilities, targets, task=task, thresholds=thresholds, coarse_indices=coarse_indices)
    return {
        "validation": {"images": len(probabilities), **metrics},
        "reference": drift_reference(probabilities, task=task, thresholds=thresholds),
    }


def drift_reference(
    probabilities: npt.NDArray[np.float32], *, task: Task, thresholds: Sequence[float]
) -> dict[str, list[float]]:
    """Describe the predictions on the validation images, so that a service can notice when its own begin to differ.

    Args:
        probabilities: float32 [N, K], N at least 1.
        task: Of the model.
        thresholds: Multilabel: the threshold of each class. Not used for classification.

    Returns:
        `class_fractions`, the fraction of the images for which each class is predicted, length K: the top-1 class, or
        for multilabel every class at or above its threshold; `confidence_counts` and `confidence_edges`, the histogram
        of the best probability of each image.
    """
    class_fractions = TASKS[task].predicted(probabilities, thresholds).mean(axis=0)
    confidence_counts, edges = np.histogram(probabilities.max(axis=1), bins=CONFIDENCE_BINS, range=(0.0, 1.0))
    return {
        "class_fractions": [float(fraction) for fraction in class_fractions],
        "confidence_counts": [int(count) for count in confidence_counts],
        "confidence_edges": [round(float(edge), 6) for edge in edges],
    }
