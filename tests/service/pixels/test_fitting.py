from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from service.pixels import PixelSpec, load
from tests.service.pixels.specs import CROP, PAD, SQUISH, ramp
from tests.support.images import encode, flat, noise


def torchvision(image: Image.Image, spec: PixelSpec) -> np.ndarray[Any, Any]:
    from torchvision.transforms import CenterCrop, InterpolationMode, Resize

    resized = Resize(spec.resize_short, InterpolationMode(spec.filter), antialias=True)(image)
    return np.asarray(CenterCrop(spec.size)(resized))


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (31, 37), (32, 32), (36, 36), (37, 36), (640, 479), (123, 1001)])
@pytest.mark.parametrize("kind", ["bilinear", "bicubic"])
@pytest.mark.parametrize("side", [(32, 36), (33, 36), (32, 32), (31, 40)])
def test_crop_is_torchvisions(size: tuple[int, int], kind: Any, side: tuple[int, int]) -> None:
    spec = PixelSpec(size=side[0], resize_short=side[1], filter=kind)
    image = noise(*size)
    np.testing.assert_array_equal(load(encode(image), spec).pixels, torchvision(image, spec))


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 40), st.integers(0, 9))
def test_crop_is_torchvisions_for_any_size(width: int, height: int, size: int, margin: int) -> None:
    assume(max(width, height) <= 50 * min(width, height))
    spec = PixelSpec(size=size, resize_short=size + margin, filter="bilinear")
    image = noise(width, height)
    picture = load(encode(image, compress_level=0), spec)
    assert picture.pixels.shape == (size, size, 3)
    assert picture.pixels.dtype == np.uint8
    assert (picture.width, picture.height) == (width, height)
    np.testing.assert_array_equal(picture.pixels, torchvision(image, spec))


def test_crop_of_a_small_jpeg_is_torchvisions() -> None:
    data = encode(noise(101, 143), "JPEG")
    expected = torchvision(Image.open(io.BytesIO(data)), CROP)
    np.testing.assert_array_equal(load(data, CROP).pixels, expected)


@pytest.mark.parametrize("size", [(7, 300), (300, 7), (32, 32)])
def test_squish_gives_up_the_aspect_ratio(size: tuple[int, int]) -> None:
    image = noise(*size)
    expected = np.asarray(image.resize((32, 32), Image.Resampling.BICUBIC))
    picture = load(encode(image), SQUISH)
    np.testing.assert_array_equal(picture.pixels, expected)
    assert picture.box == (0, 0, *size)


@pytest.mark.parametrize(
    ("size", "inside"),
    [
        ((64, 32), (0, 8, 32, 24)),
        ((32, 64), (8, 0, 24, 32)),
        ((640, 16), (0, 16, 32, 17)),
        ((5, 5), (0, 0, 32, 32)),
    ],
)
def test_pad_adds_black_bars(size: tuple[int, int], inside: tuple[int, int, int, int]) -> None:
    array = load(encode(flat("RGB", "white", size)), PAD).pixels
    left, top, right, bottom = inside
    expected = np.zeros((32, 32, 3), dtype=np.uint8)
    expected[top:bottom, left:right] = 255
    np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize("spec", [CROP, SQUISH, PAD], ids=lambda spec: spec.mode)
@pytest.mark.parametrize("size", [(300, 200), (200, 300), (256, 256), (401, 133)])
def test_box_says_what_the_pixels_show(spec: PixelSpec, size: tuple[int, int]) -> None:
    picture = load(encode(ramp(*size)), spec)
    left, top, right, bottom = picture.box
    centres = (np.arange(32) + 0.5) / 32
    across = 255 * (left + centres * (right - left)) / size[0]
    down = 255 * (top + centres * (bottom - top)) / size[1]
    xs, ys = (np.flatnonzero((place > 8) & (place < 247)) for place in (across, down))
    middle = (len(ys) // 2 + ys[0], len(xs) // 2 + xs[0])
    assert len(xs) >= 8
    assert len(ys) >= 8
    assert np.abs(picture.pixels[middle[0], xs, 0] - across[xs]).max() < 3
    assert np.abs(picture.pixels[ys, middle[1], 1] - down[ys]).max() < 3


def test_box_of_a_crop_is_the_square_in_the_middle() -> None:
    box = load(encode(ramp(300, 200)), PixelSpec(size=100, resize_short=100)).box
    assert box == pytest.approx((50, 0, 250, 200))


@pytest.mark.parametrize("spec", [CROP, SQUISH, PAD], ids=lambda spec: spec.mode)
def test_no_side_becomes_less_than_one(spec: PixelSpec) -> None:
    for size in ((1, 1), (1, 50), (50, 1)):
        assert load(encode(flat("RGB", "red", size)), spec).pixels.shape == (32, 32, 3)
