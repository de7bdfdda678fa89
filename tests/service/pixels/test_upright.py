from __future__ import annotations

import random

import numpy as np
import pytest
from PIL import Image, ImageCms

from service.pixels import load
from service.pixels.upright import upright_rgb
from tests.service.pixels.specs import CROP, SQUISH, colour_of
from tests.support.images import (
    FAITHFUL,
    STORED_AS,
    blocks,
    chunk,
    encode,
    exif,
    flat,
    noise,
    png,
    taken_formats,
    with_segments,
)

WHITE = (255, 255, 255)


class TestOrientation:
    @pytest.mark.parametrize("kind", taken_formats())
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
    def test_that_is_none_counts_as_upright(self, kind: str, broken: bytes) -> None:
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
    """An image of more pixels than a strip has is turned and laid over white a piece at a time."""

    @pytest.mark.parametrize("orientation", STORED_AS)
    @pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "L", "P", "1", "I;16", "CMYK"])
    def test_are_as_the_whole(self, orientation: int, mode: str) -> None:
        image = colours(mode, 700, 1001)
        whole = over_white(image)
        transposition = STORED_AS[orientation]
        stored = image if transposition is None else image.transpose(transposition)
        found = upright_rgb(stored, orientation)
        assert found.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(found), np.asarray(whole))

    def test_of_an_image_that_is_right_already_are_the_image(self) -> None:
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
    """By other means: a 16-bit image in floating point, and any alpha channel by Pillow's own composition."""
    if image.mode == "I;16":
        return Image.fromarray(np.rint(np.asarray(image) / 257).astype(np.uint8)).convert("RGB")
    if not image.has_transparency_data:
        return image.convert("RGB")
    rgba = image.convert("RGBA")
    return Image.composite(rgba.convert("RGB"), Image.new("RGB", image.size, "white"), rgba.getchannel("A"))
