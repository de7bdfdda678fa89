from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin

from service.pixels import load
from service.pixels.decoding import draft
from tests.service.pixels.specs import CROP
from tests.support.images import STORED_AS, encode, exif, flat, noise


@pytest.mark.parametrize(
    ("size", "reduction"),
    [
        ((160, 160), 8),
        ((153, 999), 8),  # the short side becomes 20, just enough
        ((152, 152), 4),
        ((999, 77), 4),
        ((76, 100), 2),
        ((39, 39), 2),
        ((38, 400), 1),
        ((20, 20), 1),
    ],
)
def test_jpeg_is_reduced_by_the_largest_that_keeps_twice_the_short_side(size: tuple[int, int], reduction: int) -> None:
    image = Image.open(io.BytesIO(encode(flat("L", 0, size), "JPEG")))
    draft(image, 10)
    assert image.size == tuple(-(-side // reduction) for side in size)


@pytest.mark.parametrize("size", [(1603, 1201), (803, 1599), (577, 577)])
@pytest.mark.parametrize("orientation", STORED_AS)
def test_the_reduction_changes_neither_geometry_nor_much_of_the_pixels(size: tuple[int, int], orientation: int) -> None:
    image = noise(12, 9).resize(size, Image.Resampling.BICUBIC)
    jpeg = encode(image, "JPEG", quality=95, exif=exif(orientation))
    decoded = encode(Image.open(io.BytesIO(jpeg)), exif=exif(orientation), compress_level=0)
    found, expected = load(jpeg, CROP), load(decoded, CROP)
    assert (found.width, found.height, found.box) == (expected.width, expected.height, expected.box)
    difference = np.abs(found.pixels.astype(int) - expected.pixels)
    assert difference.max() <= 8
    assert difference.mean() < 1


def test_the_reduction_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[tuple[int, int]] = []
    original = JpegImagePlugin.JpegImageFile.load_end
    monkeypatch.setattr(
        JpegImagePlugin.JpegImageFile, "load_end", lambda self: (decoded.append(self.size), original(self))[1]
    )
    load(encode(flat("RGB", "red", (1600, 1200)), "JPEG"), CROP)
    assert decoded == [(200, 150)]
