from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_image

from service.pixels import Mode, PixelSpec
from trainer.catalog import hash_files
from trainer.data import Decoding, PixelCache, cache_spec, fill_cache
from trainer.diagnosis.embeddings import embed_images
from trainer.progress import NoProgress


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two photos, each in landscape and portrait format."""
    folder = tmp_path_factory.mktemp("photos")
    for name in ("china", "flower"):
        photo = Image.fromarray(load_sample_image(f"{name}.jpg"))
        photo.save(folder / f"{name}-landscape.jpg")
        photo.crop((100, 0, 350, 427)).save(folder / f"{name}-portrait.jpg")
    return sorted(folder.iterdir())


def cached(files: list[Path], spec: PixelSpec, folder: Path) -> PixelCache:
    digests = [digest or "" for digest in hash_files(files, threads=1).digests]
    return fill_cache(list(zip(digests, files, strict=True)), spec, Decoding(folder, threads=1))


@pytest.mark.parametrize("mode", ["crop", "squish", "pad"])
def test_an_image_is_recognised_in_the_other_split(files: list[Path], tmp_path: Path, mode: Mode) -> None:
    """There it was decoded in another way."""
    pixels = PixelSpec(size=128, resize_short=160 if mode == "crop" else 128, mode=mode)
    train, valid = (cached(files, spec, tmp_path) for spec in (cache_spec(pixels), pixels))
    found = embed_images(train, valid, pixels, device=torch.device("cpu"), progress=NoProgress()).astype(np.float64)
    assert found.shape == (8, 1280)
    units = found / np.linalg.norm(found, axis=1, keepdims=True)
    similarities = units[:4] @ units[4:].T
    assert similarities.diagonal().min() > 0.8
    assert (similarities.argmax(axis=1) == np.arange(4)).all()
