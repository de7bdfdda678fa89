"""The gate before a bundle is written: torch and onnxruntime must agree on the whole validation set."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from service.predictor import Predictor
from trainer.data import PixelCache
from trainer.errors import ParityError
from trainer.export.graph import Served

LARGEST_DIFFERENCE = 1e-4
LEAST_MARGIN = 2e-4
_BATCH_SIZES = (1, 2, 7)


def check_parity(served: Served, predictor: Predictor, cache: PixelCache, *, task: str) -> float:
    """The largest difference of any probability on any image, over batch sizes 1, 2 and 7.

    Every image goes through both; the batch sizes take turns, and the first images go through all three. Raises
    ParityError where the difference is too large, or where the best class flips although torch's best two are clearly
    apart.
    """
    served.eval()
    largest = 0.0
    count = len(cache)
    for batch_size in _BATCH_SIZES:
        positions = np.arange(min(batch_size, count), dtype=np.int64)
        largest = max(largest, _compare(served, predictor, cache, positions, task))
    start, turn = 0, 0
    while start < count:
        positions = np.arange(start, min(start + _BATCH_SIZES[turn % 3], count), dtype=np.int64)
        largest = max(largest, _compare(served, predictor, cache, positions, task))
        start, turn = start + len(positions), turn + 1
    return largest


@torch.inference_mode()
def _compare(
    served: Served, predictor: Predictor, cache: PixelCache, positions: npt.NDArray[np.int64], task: str
) -> float:
    images = cache.batch(positions)
    output = served(torch.from_numpy(images))
    expected: npt.NDArray[np.float32] = (output[0] if isinstance(output, tuple) else output).numpy()
    found = predictor.probabilities(images)
    difference = float(np.abs(expected - found).max())
    if not difference < LARGEST_DIFFERENCE:
        raise ParityError(
            f"onnxruntime is {difference:.3g} off torch's probabilities at batch size {len(positions)} "
            f"(allowed: {LARGEST_DIFFERENCE:g})"
        )
    if task == "classification":
        best = np.sort(expected, axis=1)
        clear = best[:, -1] - best[:, -2] > LEAST_MARGIN
        if (expected.argmax(axis=1) != found.argmax(axis=1))[clear].any():
            raise ParityError("onnxruntime finds another best class than torch, though torch's best two are apart")
    return difference
