from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trainer.data import PixelCache
from trainer.errors import ParityError
from trainer.export.parity import check_parity


class _Torch:
    """Stands for the torch side: gives the probabilities that it was told, in the order of the images' numbers."""

    def __init__(self, probabilities: np.ndarray) -> None:
        self.probabilities = probabilities

    def eval(self) -> None:
        pass

    def __call__(self, images: object) -> object:
        import torch

        assert isinstance(images, torch.Tensor)
        return torch.from_numpy(self.probabilities[images[:, 0, 0, 0].numpy()])


class _Onnx:
    def __init__(self, probabilities: np.ndarray) -> None:
        self._answers = probabilities
        self.seen: list[int] = []
        self.batch_sizes: set[int] = set()

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        numbers = images[:, 0, 0, 0]
        self.seen += numbers.tolist()
        self.batch_sizes.add(len(numbers))
        return self._answers[numbers]


def numbered(count: int) -> PixelCache:
    """Images that say their number in every pixel."""
    pixels = np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None, None], (count, 2, 2, 3))
    return PixelCache(pixels=pixels, slots=np.arange(count), aspects=np.ones(count, dtype=np.float32), errors={})


def compare(expected: np.ndarray, found: np.ndarray) -> tuple[float, _Onnx]:
    onnx = _Onnx(found)
    return check_parity(_Torch(expected), onnx, numbered(len(expected)), task="classification"), onnx  # type: ignore[arg-type]


@pytest.fixture
def answers() -> np.ndarray:
    return np.random.default_rng(0).dirichlet(np.ones(4), 50).astype(np.float32)


def test_looks_at_every_image_and_at_three_batch_sizes(answers: np.ndarray) -> None:
    difference, onnx = compare(answers, answers + np.float32(5e-5))
    assert difference == pytest.approx(5e-5, rel=0.01)
    assert set(onnx.seen) == set(range(50))
    assert {1, 2, 7} <= onnx.batch_sizes


@pytest.mark.parametrize("image", [0, 17, 49])
@pytest.mark.parametrize("wrong", [2e-4, np.nan])
def test_one_wrong_image_is_enough(answers: np.ndarray, image: int, wrong: float) -> None:
    found = answers.copy()
    found[image, 2] += wrong
    with pytest.raises(ParityError, match="off torch's probabilities"):
        compare(answers, found)


def test_a_flip_counts_only_where_the_best_two_are_apart() -> None:
    near = np.array([[0.50004, 0.49996]], dtype=np.float32)
    assert compare(near, near[:, ::-1])[0] == pytest.approx(8e-5, rel=0.01)


def test_the_gate_of_a_written_bundle_is_the_same_file(tmp_path: Path) -> None:
    """A change that is within the tolerance but flips a clear answer is refused."""
    expected = np.array([[0.50012, 0.49988]], dtype=np.float32)
    found = np.array([[0.50003, 0.500031]], dtype=np.float32)
    with pytest.raises(ParityError):
        compare(expected, found)
