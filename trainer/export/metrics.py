"""The exported model measured on encoded images, through the very code that serves it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt

from service.pixels import ImageError
from service.predictor import Predictor
from trainer.progress import Progress

_BINS = 20


def predict_files(
    predictor: Predictor, files: Sequence[Path], *, threads: int, progress: Progress
) -> tuple[npt.NDArray[np.float32], dict[int, str]]:
    """Probabilities of image files, as the service answers them.

    Returns float32 [M, K] of the M files that the service takes, in order, and for each of the others its position and
    the reason. Raises OSError where a file cannot be read.
    """
    progress.start("measure", len(files))

    def predict(path: Path) -> npt.NDArray[np.float32] | str:
        try:
            return predictor.predict(path.read_bytes()).probabilities
        except ImageError as error:
            return str(error)
        finally:
            progress.advance()

    with ThreadPoolExecutor(threads, thread_name_prefix="measure") as pool:
        answers = list(pool.map(predict, files))
    found = [answer for answer in answers if not isinstance(answer, str)]
    probabilities = np.asarray(found, dtype=np.float32).reshape(len(found), len(predictor.spec.classes))
    return probabilities, {number: answer for number, answer in enumerate(answers) if isinstance(answer, str)}


def reference(
    probabilities: npt.NDArray[np.float32], *, task: str, thresholds: Sequence[float]
) -> dict[str, list[float]]:
    """What the answers look like on validation images, so that a service can tell when they begin to differ.

    class_fractions      of each class among the answers: best class, or for multilabel every class at its threshold
    confidence_edges, confidence_counts  histogram of the best probability
    """
    if task == "multilabel":
        given = (probabilities >= np.asarray(thresholds)).mean(axis=0)
    else:
        given = np.bincount(probabilities.argmax(axis=1), minlength=probabilities.shape[1]) / len(probabilities)
    counts, edges = np.histogram(probabilities.max(axis=1), bins=_BINS, range=(0.0, 1.0))
    return {
        "class_fractions": [float(share) for share in given],
        "confidence_counts": [int(count) for count in counts],
        "confidence_edges": [round(float(edge), 6) for edge in edges],
    }
