from __future__ import annotations

import numpy as np
import pytest

from trainer.data import PixelCache
from trainer.errors import ParityError
from trainer.export.parity import check_parity
from trainer.progress import NoProgress


class _Numbered:
    """A fake model: gives each image the probabilities at its number."""

    def __init__(self, probabilities: np.ndarray) -> None:
        self._probabilities = probabilities
        self.seen: list[int] = []
        self.batch_sizes: set[int] = set()

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        numbers = images[:, 0, 0, 0]
        self.seen += numbers.tolist()
        self.batch_sizes.add(len(numbers))
        return self._probabilities[numbers]


def numbered_images(count: int) -> PixelCache:
    """Images that have their number in every pixel."""
    pixels = np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None, None], (count, 2, 2, 3))
    return PixelCache(pixels=pixels, slots=np.arange(count), aspects=np.ones(count, dtype=np.float32), errors={})


def compare(expected: np.ndarray, found: np.ndarray) -> tuple[float, _Numbered]:
    onnx = _Numbered(found)
    cache = numbered_images(len(expected))
    return check_parity(_Numbered(expected), onnx, cache, task="classification", progress=NoProgress()), onnx  # type: ignore[arg-type]


@pytest.fixture
def probabilities() -> np.ndarray:
    return np.random.default_rng(0).dirichlet(np.ones(4), 50).astype(np.float32)


def test_every_image_is_compared_and_three_batch_sizes_are_used(probabilities: np.ndarray) -> None:
    difference, onnx = compare(probabilities, probabilities + np.float32(5e-5))
    assert difference == pytest.approx(5e-5, rel=0.01)
    assert set(onnx.seen) == set(range(50))
    assert {1, 2, 7} <= onnx.batch_sizes


@pytest.mark.parametrize("image", [0, 17, 49])
@pytest.mark.parametrize("error", [2e-4, np.nan])
def test_one_wrong_image_is_enough(probabilities: np.ndarray, image: int, error: float) -> None:
    found = probabilities.copy()
    found[image, 2] += error
    with pytest.raises(ParityError, match="no bundle was written: the probabilities of onnxruntime differ from those"):
        compare(probabilities, found)


def test_another_top_class_is_allowed_if_the_best_two_are_close() -> None:
    close = np.array([[0.50004, 0.49996]], dtype=np.float32)
    assert compare(close, close[:, ::-1])[0] == pytest.approx(8e-5, rel=0.01)


def test_another_top_class_is_an_error_if_the_best_two_are_apart() -> None:
    """Although every difference is within the tolerance."""
    expected = np.array([[0.50012, 0.49988]], dtype=np.float32)
    found = np.array([[0.50003, 0.500031]], dtype=np.float32)
    with pytest.raises(ParityError):
        compare(expected, found)
