from __future__ import annotations

import io
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from service.pixels import PixelSpec, load
from service.pixels.transforms import upright_rgb
from tests.service.pixels.specs import CROP, PAD, SQUISH, colour_of, ramp
from tests.support.images import (
    FAITHFUL,
    STORED_AS,
    accepted_formats,
    blocks,
    chunk,
    encode,
    exif,
    flat,
    noise,
    png,
    with_segments,
)

WHITE = (255, 255, 255)


class TestOrientation:
    @pytest.mark.parametrize("kind", accepted_formats())
    @pytest.mark.parametrize("orientation", STORED_AS)
    def test_is_undone(self, kind: str, orientation: int) -> None:
        upright = blocks(4, 3)
        transposition = STORED_AS[orientation]
        stored = upright if transposition is None else upright.transpose(transposition)
        options, tolerance = FAITHFUL[kind]
        picture = load(encode(stored, kind, exif=exif(orientation), **options), CROP)
        expected = load(encode(upright), CROP)
        assert (picture.format, picture.width, picture.height) == (kind, 64, 48)
        assert picture.box == expected.box
        assert np.abs(picture.pixels.astype(int) - expected.pixels).max() <= tolerance

    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
    @pytest.mark.parametrize(
        "broken",
        [
            pytest.param(exif(0), id="0"),
            pytest.param(exif(9), id="9"),
            pytest.param(exif(65535), id="65535"),
            pytest.param(exif(b"abc\0", kind=2), id="abc"),
            pytest.param(exif(b"\0\0\0\x1a", kind=5, count=1), id="fraction outside the file"),
            pytest.param(exif(b"\6\0\0\0", kind=7), id="bytes"),
            pytest.param(exif(b"\xff\xff\xff\xff", kind=9, count=1), id="negative"),
            pytest.param(exif(b"\x40\xc0\0\0", kind=11, count=1), id="6.0"),
            pytest.param(exif(b"\0\6\0\0", kind=99), id="unknown kind of number"),
        ],
    )
    def test_that_is_invalid_counts_as_upright(self, kind: str, broken: bytes) -> None:
        image, (options, _) = noise(9, 5), FAITHFUL[kind]
        found = load(encode(image, kind, exif=broken, **options), CROP)
        np.testing.assert_array_equal(found.pixels, load(encode(image, kind, **options), CROP).pixels)

    @pytest.mark.parametrize(
        "broken",
        [
            b"Exif\0\0",
            b"Exif\0\0MM\0*\0\0\0\x08",
            b"Exif\0\0MM\0*\0\0\0\x08\xff\xff",
            b"Exif\0\0II*\0\xff\xff\xff\xff",
            b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01",
            b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x05\0\0\0\x01\xff\xff\xff\xff",
            b"Exif\0\0" + random.Random(0).randbytes(300),
        ],
    )
    def test_in_broken_exif_counts_as_upright(self, broken: bytes) -> None:
        jpeg = encode(noise(9, 5), "JPEG")
        np.testing.assert_array_equal(
            load(with_segments(jpeg, b"\xff\xe1" + broken), CROP).pixels, load(jpeg, CROP).pixels
        )


class TestColour:
    @pytest.mark.parametrize(
        ("data", "expected"),
        [
            pytest.param(encode(flat("L", 100)), (100, 100, 100), id="grey"),
            pytest.param(encode(flat("LA", (100, 255))), (100, 100, 100), id="grey, opaque"),
            pytest.param(encode(flat("LA", (100, 0))), WHITE, id="grey, clear"),
            pytest.param(encode(flat("LA", (55, 51))), (215, 215, 215), id="grey, a fifth opaque"),
            pytest.param(encode(flat("L", 100), transparency=100), WHITE, id="grey with a clear value"),
            pytest.param(encode(flat("L", 100), transparency=99), (100, 100, 100), id="grey, another value clear"),
            pytest.param(encode(flat("1", 1)), WHITE, id="1-bit white"),
            pytest.param(encode(flat("1", 0)), (0, 0, 0), id="1-bit black"),
            pytest.param(encode(flat("RGBA", (255, 0, 0, 255))), (255, 0, 0), id="opaque"),
            pytest.param(encode(flat("RGBA", (9, 9, 9, 0))), WHITE, id="clear"),
            pytest.param(encode(flat("RGBA", (0, 50, 255, 51))), (204, 214, 255), id="a fifth opaque"),
            pytest.param(encode(flat("RGB", (1, 2, 3)), transparency=(1, 2, 3)), WHITE, id="a clear colour"),
            pytest.param(encode(flat("RGB", (1, 2, 3)), transparency=(3, 2, 1)), (1, 2, 3), id="another clear colour"),
            pytest.param(encode(flat("RGB", (1, 2, 3)).quantize(2)), (1, 2, 3), id="palette"),
            pytest.param(encode(flat("RGB", "red").quantize(2), transparency=0), WHITE, id="clear entry"),
            pytest.param(
                encode(flat("RGB", "red").quantize(2), transparency=b"\x33"), (255, 204, 204), id="palette with alpha"
            ),
            pytest.param(encode(flat("RGB", (1, 2, 3)).quantize(2), "GIF"), (1, 2, 3), id="GIF"),
            pytest.param(encode(flat("RGB", "red").quantize(2), "GIF", transparency=0), WHITE, id="clear GIF"),
            pytest.param(encode(flat("RGBA", (9, 9, 9, 0)), "WEBP", lossless=True), WHITE, id="clear WebP"),
            pytest.param(encode(flat("RGB", (1, 2, 3)), "BMP"), (1, 2, 3), id="BMP"),
            pytest.param(encode(flat("L", 100), "BMP"), (100, 100, 100), id="grey BMP"),
            pytest.param(encode(flat("1", 1), "BMP"), WHITE, id="1-bit BMP"),
            pytest.param(encode(flat("RGBA", (9, 9, 9, 0)), "BMP"), (9, 9, 9), id="a BMP's fourth byte is no alpha"),
            pytest.param(encode(flat("I;16", 0)), (0, 0, 0), id="16-bit black"),
            pytest.param(encode(flat("I;16", 257)), (1, 1, 1), id="16-bit, near black"),
            pytest.param(encode(flat("I;16", 32896)), (128, 128, 128), id="16-bit grey"),
            pytest.param(encode(flat("I;16", 65535)), WHITE, id="16-bit white"),
            pytest.param(png((8, 8), 16, 0, b"\x30\x39", chunk(b"tRNS", b"\x30\x39")), WHITE, id="16-bit clear"),
            pytest.param(
                png((8, 8), 16, 0, b"\x64\x64", chunk(b"tRNS", b"\x30\x39")), (100, 100, 100), id="16-bit other"
            ),
            pytest.param(png((8, 8), 16, 2, b"\x0a\x0a\x14\x14\x1e\x1e"), (10, 20, 30), id="16-bit colour"),
            pytest.param(png((8, 8), 16, 4, b"\x0a\x0a\x00\x00"), WHITE, id="16-bit grey, clear"),
            pytest.param(png((8, 8), 16, 6, b"\x0a\x0a\x14\x14\x1e\x1e\xff\xff"), (10, 20, 30), id="16-bit, opaque"),
        ],
    )
    def test_becomes_rgb_over_white(self, data: bytes, expected: tuple[int, int, int]) -> None:
        assert colour_of(data) == expected

    @pytest.mark.parametrize(("cmyk", "rgb"), [((0, 255, 255, 0), (255, 0, 0)), ((0, 0, 0, 255), (0, 0, 0))])
    @pytest.mark.parametrize("adobe", [True, False])
    def test_cmyk_jpeg(self, cmyk: tuple[int, ...], rgb: tuple[int, ...], adobe: bool) -> None:
        # Nearly every CMYK JPEG is stored inverted, as Adobe does, whether its marker says so or not.
        data = encode(flat("CMYK", cmyk), "JPEG", quality=100)
        marker = data.index(b"\xff\xee")
        if not adobe:
            data = data[:marker] + data[marker + 16 :]
        assert colour_of(data) == pytest.approx(rgb, abs=2)

    def test_ycck_jpeg(self) -> None:
        # Pillow writes the four channels inverted; with its Adobe marker changed they are Y, Cb, Cr and K.
        data = bytearray(encode(flat("CMYK", (255 - 76, 255 - 85, 255 - 255, 0)), "JPEG", quality=100))
        data[data.index(b"\xff\xee") + 15] = 2
        assert colour_of(bytes(data)) == pytest.approx((0, 255, 255), abs=4)

    def test_16_bit_grey_is_scaled_to_all_256_levels(self) -> None:
        values = np.linspace(0, 65535, 32 * 32).reshape(32, 32).astype(np.uint16)
        found = load(encode(Image.fromarray(values)), SQUISH).pixels[..., 0]
        np.testing.assert_array_equal(found, np.rint(values / 257))

    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
    @pytest.mark.parametrize(
        "profile",
        [ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes(), b"no profile at all", b"\0" * 200],
        ids=["LAB", "text", "zeros"],
    )
    def test_icc_profile_is_ignored(self, kind: str, profile: bytes) -> None:
        image, (options, _) = blocks(3, 3), FAITHFUL[kind]
        plain, profiled = (encode(image, kind, **options, icc_profile=icc) for icc in (None, profile))
        assert profile in profiled or kind == "PNG"
        np.testing.assert_array_equal(load(profiled, CROP).pixels, load(plain, CROP).pixels)


class TestStrips:
    """An image with more pixels than a strip has is converted strip by strip."""

    @pytest.mark.parametrize("orientation", STORED_AS)
    @pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "L", "P", "1", "I;16", "CMYK"])
    def test_give_the_same_pixels_as_the_whole_image(self, orientation: int, mode: str) -> None:
        image = colours(mode, 700, 1001)
        whole = over_white(image)
        transposition = STORED_AS[orientation]
        stored = image if transposition is None else image.transpose(transposition)
        found = upright_rgb(stored, orientation)
        assert found.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(found), np.asarray(whole))

    def test_are_not_made_of_an_image_that_is_upright_rgb_already(self) -> None:
        image = noise(700, 1001)
        assert upright_rgb(image, 1) is image


def colours(mode: str, width: int, height: int) -> Image.Image:
    """Noise, with every kind of transparency that the mode has."""
    image = noise(width, height)
    image.putalpha(image.getchannel("G"))
    if mode == "P":
        image = image.convert("RGB").quantize(64)
        image.info["transparency"] = bytes(range(0, 256, 4))
        return image
    if mode == "I;16":
        return Image.fromarray(np.asarray(noise(2 * width, height).convert("L")).view(np.uint16))
    return image.convert("RGB").convert(mode) if mode in ("CMYK", "1") else image.convert(mode)


def over_white(image: Image.Image) -> Image.Image:
    """The expected result, computed differently: 16-bit images in floating point, alpha with Image.composite."""
    if image.mode == "I;16":
        return Image.fromarray(np.rint(np.asarray(image) / 257).astype(np.uint8)).convert("RGB")
    if not image.has_transparency_data:
        return image.convert("RGB")
    rgba = image.convert("RGBA")
    return Image.composite(rgba.convert("RGB"), Image.new("RGB", image.size, "white"), rgba.getchannel("A"))


def torchvision(image: Image.Image, spec: PixelSpec) -> np.ndarray[Any, Any]:
    from torchvision.transforms import CenterCrop, InterpolationMode, Resize

    resized = Resize(spec.resize_short, InterpolationMode(spec.filter), antialias=True)(image)
    return np.asarray(CenterCrop(spec.size)(resized))


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (31, 37), (32, 32), (36, 36), (37, 36), (640, 479), (123, 1001)])
@pytest.mark.parametrize("kind", ["bilinear", "bicubic"])
@pytest.mark.parametrize("sides", [(32, 36), (33, 36), (32, 32), (31, 40)])
def test_crop_equals_torchvisions(size: tuple[int, int], kind: Any, sides: tuple[int, int]) -> None:
    spec = PixelSpec(size=sides[0], resize_short=sides[1], filter=kind)
    image = noise(*size)
    np.testing.assert_array_equal(load(encode(image), spec).pixels, torchvision(image, spec))


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 40), st.integers(0, 9))
def test_crop_equals_torchvisions_for_any_size(width: int, height: int, size: int, margin: int) -> None:
    assume(max(width, height) <= 50 * min(width, height))
    spec = PixelSpec(size=size, resize_short=size + margin, filter="bilinear")
    image = noise(width, height)
    picture = load(encode(image, compress_level=0), spec)
    assert picture.pixels.shape == (size, size, 3)
    assert picture.pixels.dtype == np.uint8
    assert (picture.width, picture.height) == (width, height)
    np.testing.assert_array_equal(picture.pixels, torchvision(image, spec))


def test_crop_of_a_small_jpeg_equals_torchvisions() -> None:
    data = encode(noise(101, 143), "JPEG")
    expected = torchvision(Image.open(io.BytesIO(data)), CROP)
    np.testing.assert_array_equal(load(data, CROP).pixels, expected)


@pytest.mark.parametrize("size", [(7, 300), (300, 7), (32, 32)])
def test_squish_does_not_keep_the_aspect_ratio(size: tuple[int, int]) -> None:
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
def test_box_is_the_part_that_the_pixels_show(spec: PixelSpec, size: tuple[int, int]) -> None:
    picture = load(encode(ramp(*size)), spec)
    left, top, right, bottom = picture.box
    centres = (np.arange(32) + 0.5) / 32
    across = 255 * (left + centres * (right - left)) / size[0]
    down = 255 * (top + centres * (bottom - top)) / size[1]
    xs, ys = (np.flatnonzero((value > 8) & (value < 247)) for value in (across, down))
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
