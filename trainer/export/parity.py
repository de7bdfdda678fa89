"""The check before a bundle is written: the trained model and onnxruntime must agree on every image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt

from service.bundle.spec import Task
from service.pixels import UInt8Array
from service.predictor import Predictor
from trainer.errors import ParityError
from trainer.progress import Progress
from trainer.training.tasks import TASKS

MAX_DIFFERENCE = 1e-4
MIN_MARGIN = 2e-4
BATCH_SIZES = (1, 2, 7)

Float32Array = npt.NDArray[np.float32]


class Model(Protocol):
    """What the exported model must agree with."""

    def probabilities(self, images: UInt8Array, /) -> Float32Array:
        """Probabilities of decoded images: uint8 [N, H, W, 3] -> float32 [N, K]."""


class Images(Protocol):
    """N decoded images, such as a `PixelSource`."""

    def __len__(self) -> int: ...

    def batch(self, positions: npt.NDArray[np.int64], /) -> UInt8Array:
        """Return the images at these positions: int64 [B] -> uint8 [B, size, size, 3]."""

    def prefetch(self, positions: Iterable[int], /) -> None:
        """Announce which images will be asked for."""


def check_parity(model: Model, predictor: Predictor, images: Images, *, task: Task, progress: Progress) -> float:
    """Compare the probabilities of the trained model with onnxruntime's on every image, at batch sizes 1, 2 and 7.

    Args:
        model: The trained model, in torch, or as it was imported.
        predictor: The onnxruntime side, over the exported model.
        images: The decoded images, at least one.
        task: For classification the predicted classes are compared as well.
        progress: Is advanced by every image that is compared; see `compared_images`.

    Returns:
        The largest difference of any probability on any image.

    Raises:
        ParityError: A probability differs by `MAX_DIFFERENCE` or more, or the predicted class of an image differs
            although the best two probabilities of the trained model are more than `MIN_MARGIN` apart.
    """
    largest = 0.0
    images.prefetch(np.concatenate([*_batches(len(images))]).tolist())
    for positions in _batches(len(images)):
        batch = images.batch(positions)
        expected, found = model.probabilities(batch), predictor.probabilities(batch)
        largest = max(largest, _check_difference(expected, found))
        if TASKS[task].clear_flips(expected, found, margin=MIN_MARGIN).any():
            raise ParityError(
                "no bundle was written: onnxruntime predicts another class than the trained model for an image "
                f"whose best two probabilities are more than {MIN_MARGIN:g} apart"
            )
        progress.advance(len(positions))
    return largest


def compared_images(count: int) -> int:
    """How many images `check_parity` compares, if there are `count`: the first ones at every batch size, then all."""
    return sum(map(len, _batches(count)))


def _batches(count: int) -> Iterator[npt.NDArray[np.int64]]:
    """Positions of the first images at every batch size, then of all images, at one batch size after the other."""
    for batch_size in BATCH_SIZES:
        yield np.arange(min(batch_size, count), dtype=np.int64)
    start, turn = 0, 0
    while start < count:
        stop = min(start + BATCH_SIZES[turn % len(BATCH_SIZES)], count)
        yield np.arange(start, stop, dtype=np.int64)
        start, turn = stop, turn + 1


def _check_difference(expected: Float32Array, found: Float32Array) -> float:
    difference = float(np.abs(expected - found).max())
    if not difference < MAX_DIFFERENCE:  # NaN must fail too
        raise ParityError(
            f"no bundle was written: the probabilities of onnxruntime differ from those of the trained model by "
            f"{difference:.3g} at batch size {len(expected)}; allowed is less than {MAX_DIFFERENCE:g}"
        )
    return difference
