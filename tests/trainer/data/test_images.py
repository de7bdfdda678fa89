from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from service.pixels import PixelSpec
from tests.support.photos import draw
from trainer.data import Decoding, PixelCache, PreloadedImages, StreamedImages, fill_cache, open_images, to_device

CPU = torch.device("cpu")
POSITIONS = np.array([4, 0, 4, 2], dtype=np.int64)
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.fixture
def cache(tmp_path: Path) -> PixelCache:
    """Five images, in another order than in the file."""
    files = []
    for number in range(5):
        path = tmp_path / f"{number}.png"
        draw("red", number).save(path)
        files.append((hashlib.sha256(path.read_bytes()).hexdigest(), path))
    spec = PixelSpec(size=24, resize_short=24, mode="squish", filter="bilinear")
    return fill_cache(files, spec, Decoding(tmp_path / "cache", threads=2)).select([3, 1, 0, 2, 4])


@pytest.mark.parametrize("kind", [PreloadedImages, StreamedImages])
def test_a_batch_has_the_pixels_of_the_cache(cache: PixelCache, kind: type[PreloadedImages | StreamedImages]) -> None:
    batch = kind(cache, CPU).batch(POSITIONS)
    assert batch.dtype == torch.uint8
    assert np.array_equal(batch.numpy(), cache.batch(POSITIONS))


def test_more_images_than_fit_in_one_copy_are_all_preloaded(cache: PixelCache) -> None:
    many = cache.select([number % 5 for number in range(600)])
    positions = np.arange(600, dtype=np.int64)
    assert np.array_equal(PreloadedImages(many, CPU).batch(positions).numpy(), many.batch(positions))


def test_on_a_cpu_images_are_not_copied_into_memory(cache: PixelCache) -> None:
    assert isinstance(open_images(cache, CPU), StreamedImages)


def test_to_device_does_not_change_a_tensor() -> None:
    tensor = torch.arange(12).view(3, 4)[:, 1:3]
    assert torch.equal(to_device(tensor, CPU), tensor)


@needs_gpu
@pytest.mark.parametrize("kind", [PreloadedImages, StreamedImages])
def test_a_gpu_gets_the_same_images(cache: PixelCache, kind: type[PreloadedImages | StreamedImages]) -> None:
    device = torch.device("cuda")
    batch = kind(cache, device).batch(POSITIONS)
    assert batch.device.type == "cuda"
    assert np.array_equal(batch.cpu().numpy(), cache.batch(POSITIONS))


@needs_gpu
def test_images_are_preloaded_if_they_take_at_most_half_of_the_free_memory(cache: PixelCache) -> None:
    device = torch.device("cuda")
    assert isinstance(open_images(cache, device), PreloadedImages)
    free, _ = torch.cuda.mem_get_info(device)
    count = free // (2 * 24 * 24 * 3) + 1_000_000
    assert isinstance(open_images(cache.select([0]), device), PreloadedImages)
    slots = np.zeros(count, dtype=np.int64)
    many = PixelCache(pixels=cache.pixels, slots=slots, aspects=np.ones(1, dtype=np.float32), errors={})
    assert isinstance(open_images(many, device), StreamedImages)
