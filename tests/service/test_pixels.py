"""The pixel contract: geometry, orientation, colour, limits, and what hostile bytes may do (nothing)."""

from __future__ import annotations

import io
import random
import subprocess
import sys
import textwrap
import warnings
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, JpegImagePlugin

from service import pixels
from service.pixels import ImageError, Limits, Picture, PixelSpec, UndecodableImage, UnsupportedImage, load
from tests.support.images import (
    BOMBS,
    FAITHFUL,
    SEEDS,
    STORED_AS,
    blocks,
    bmp,
    chunk,
    encode,
    exif,
    flat,
    gif,
    jpeg_header,
    noise,
    png,
    taken_formats,
    with_chunk,
    with_scans,
    with_segments,
)

SPEC = PixelSpec(size=32, resize_short=36, mode="crop", filter="bilinear")
SQUISH = PixelSpec(size=32, resize_short=32, mode="squish", filter="bicubic")
PAD = PixelSpec(size=32, resize_short=32, mode="pad", filter="bilinear")
WHITE = (255, 255, 255)


def ramp(width: int, height: int) -> Image.Image:
    """Red is the place across, green the place down, both 0 to 255."""
    red = np.broadcast_to((np.arange(width) + 0.5) / width, (height, width))
    green = np.broadcast_to(((np.arange(height) + 0.5) / height)[:, None], (height, width))
    return Image.fromarray(np.rint(255 * np.stack([red, green, 0 * red], axis=2)).astype(np.uint8))


def colour_of(data: bytes) -> tuple[int, ...]:
    """The one colour of an image."""
    array = load(data, SQUISH).pixels
    assert (array == array[0, 0]).all()
    return tuple(int(value) for value in array[0, 0])


class TestSpec:
    def test_goes_through_json_and_back(self) -> None:
        assert PixelSpec.from_json(SPEC.to_json()) == SPEC

    @pytest.mark.parametrize(
        ("change", "named"),
        [
            ({"size": 0}, "size"),
            ({"size": 4097, "resize_short": 4097}, "size"),
            ({"size": 32.0}, "size"),
            ({"size": True}, "size"),
            ({"resize_short": "36"}, "resize_short"),
            ({"resize_short": 31}, "resize_short"),
            ({"mode": "stretch"}, "mode"),
            ({"mode": []}, "mode"),
            ({"mode": "pad"}, "resize_short"),
            ({"filter": "nearest"}, "filter"),
            ({"mean": 0.5}, "exactly the fields"),
        ],
    )
    def test_refuses_what_has_no_meaning(self, change: dict[str, Any], named: str) -> None:
        with pytest.raises(ValueError, match=named):
            PixelSpec.from_json({**SPEC.to_json(), **change})

    def test_refuses_a_missing_field(self) -> None:
        with pytest.raises(ValueError, match="exactly the fields"):
            PixelSpec.from_json({"size": 32})


class TestGeometry:
    @staticmethod
    def torchvision(image: Image.Image, spec: PixelSpec) -> np.ndarray[Any, Any]:
        from torchvision.transforms import CenterCrop, InterpolationMode, Resize

        resized = Resize(spec.resize_short, InterpolationMode(spec.filter), antialias=True)(image)
        return np.asarray(CenterCrop(spec.size)(resized))

    @pytest.mark.parametrize("size", [(1, 1), (2, 3), (31, 37), (32, 32), (36, 36), (37, 36), (640, 479), (123, 1001)])
    @pytest.mark.parametrize("kind", ["bilinear", "bicubic"])
    @pytest.mark.parametrize("side", [(32, 36), (33, 36), (32, 32), (31, 40)])
    def test_crop_is_torchvisions(self, size: tuple[int, int], kind: Any, side: tuple[int, int]) -> None:
        spec = PixelSpec(size=side[0], resize_short=side[1], filter=kind)
        image = noise(*size)
        np.testing.assert_array_equal(load(encode(image), spec).pixels, self.torchvision(image, spec))

    @settings(max_examples=150, deadline=None)
    @given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 40), st.integers(0, 9))
    def test_crop_is_torchvisions_for_any_size(self, width: int, height: int, size: int, margin: int) -> None:
        assume(max(width, height) <= 50 * min(width, height))
        spec = PixelSpec(size=size, resize_short=size + margin, filter="bilinear")
        image = noise(width, height)
        picture = load(encode(image, compress_level=0), spec)
        assert picture.pixels.shape == (size, size, 3)
        assert picture.pixels.dtype == np.uint8
        assert (picture.width, picture.height) == (width, height)
        np.testing.assert_array_equal(picture.pixels, self.torchvision(image, spec))

    def test_crop_of_a_small_jpeg_is_torchvisions(self) -> None:
        data = encode(noise(101, 143), "JPEG")
        expected = self.torchvision(Image.open(io.BytesIO(data)), SPEC)
        np.testing.assert_array_equal(load(data, SPEC).pixels, expected)

    @pytest.mark.parametrize("size", [(7, 300), (300, 7), (32, 32)])
    def test_squish_gives_up_the_aspect_ratio(self, size: tuple[int, int]) -> None:
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
    def test_pad_adds_black_bars(self, size: tuple[int, int], inside: tuple[int, int, int, int]) -> None:
        array = load(encode(flat("RGB", "white", size)), PAD).pixels
        left, top, right, bottom = inside
        expected = np.zeros((32, 32, 3), dtype=np.uint8)
        expected[top:bottom, left:right] = 255
        np.testing.assert_array_equal(array, expected)

    @pytest.mark.parametrize("spec", [SPEC, SQUISH, PAD], ids=lambda spec: spec.mode)
    @pytest.mark.parametrize("size", [(300, 200), (200, 300), (256, 256), (401, 133)])
    def test_box_says_what_the_pixels_show(self, spec: PixelSpec, size: tuple[int, int]) -> None:
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

    def test_box_of_a_crop_is_the_square_in_the_middle(self) -> None:
        box = load(encode(ramp(300, 200)), PixelSpec(size=100, resize_short=100)).box
        assert box == pytest.approx((50, 0, 250, 200))

    @pytest.mark.parametrize("spec", [SPEC, SQUISH, PAD], ids=lambda spec: spec.mode)
    def test_no_side_becomes_less_than_one(self, spec: PixelSpec) -> None:
        for size in ((1, 1), (1, 50), (50, 1)):
            assert load(encode(flat("RGB", "red", size)), spec).pixels.shape == (32, 32, 3)


class TestDraft:
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
    def test_largest_reduction_that_keeps_twice_the_short_side(self, size: tuple[int, int], reduction: int) -> None:
        image = Image.open(io.BytesIO(encode(flat("L", 0, size), "JPEG")))
        pixels._draft(image, 10)
        assert image.size == tuple(-(-side // reduction) for side in size)

    @pytest.mark.parametrize("size", [(1603, 1201), (803, 1599), (577, 577)])
    @pytest.mark.parametrize("orientation", STORED_AS)
    def test_changes_neither_geometry_nor_much_of_the_pixels(self, size: tuple[int, int], orientation: int) -> None:
        image = noise(12, 9).resize(size, Image.Resampling.BICUBIC)
        jpeg = encode(image, "JPEG", quality=95, exif=exif(orientation))
        decoded = encode(Image.open(io.BytesIO(jpeg)), exif=exif(orientation), compress_level=0)
        found, expected = load(jpeg, SPEC), load(decoded, SPEC)
        assert (found.width, found.height, found.box) == (expected.width, expected.height, expected.box)
        difference = np.abs(found.pixels.astype(int) - expected.pixels)
        assert difference.max() <= 8
        assert difference.mean() < 1

    def test_is_used(self, monkeypatch: pytest.MonkeyPatch) -> None:
        decoded: list[tuple[int, int]] = []
        original = JpegImagePlugin.JpegImageFile.load_end
        monkeypatch.setattr(
            JpegImagePlugin.JpegImageFile, "load_end", lambda self: (decoded.append(self.size), original(self))[1]
        )
        load(encode(flat("RGB", "red", (1600, 1200)), "JPEG"), SPEC)
        assert decoded == [(200, 150)]


class TestOrientation:
    @pytest.mark.parametrize("kind", taken_formats())
    @pytest.mark.parametrize("orientation", STORED_AS)
    def test_is_undone(self, kind: str, orientation: int) -> None:
        upright = blocks(4, 3)
        transposition = STORED_AS[orientation]
        stored = upright if transposition is None else upright.transpose(transposition)
        options, tolerance = FAITHFUL[kind]
        picture = load(encode(stored, kind, exif=exif(orientation), **options), SPEC)
        expected = load(encode(upright), SPEC)
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
        found = load(encode(image, kind, exif=broken, **options), SPEC)
        np.testing.assert_array_equal(found.pixels, load(encode(image, kind, **options), SPEC).pixels)

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
            load(with_segments(jpeg, b"\xff\xe1" + broken), SPEC).pixels, load(jpeg, SPEC).pixels
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
        np.testing.assert_array_equal(load(profiled, SPEC).pixels, load(plain, SPEC).pixels)


class TestFormats:
    @pytest.mark.parametrize("kind", [*taken_formats(), "GIF", "BMP"])
    def test_is_found_by_content(self, kind: str) -> None:
        picture = load(encode(blocks(2, 1), kind), SPEC)
        assert (picture.format, picture.width, picture.height) == (kind, 32, 16)

    def test_progressive_jpeg(self) -> None:
        image = blocks(3, 2)
        expected = load(encode(image, "JPEG"), SPEC).pixels
        np.testing.assert_array_equal(load(encode(image, "JPEG", progressive=True), SPEC).pixels, expected)

    @pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "MPO", "AVIF"])
    def test_only_the_first_frame_counts(self, kind: str) -> None:
        options = {"lossless": True} if kind == "WEBP" else {}
        frames = [flat("RGB", colour) for colour in ("red", "lime", "blue")]
        data = encode(frames[0], kind, save_all=True, append_images=frames[1:], **options)
        assert Image.open(io.BytesIO(data)).n_frames == 3
        assert load(data, SPEC).format == kind
        assert colour_of(data) == pytest.approx((255, 0, 0), abs=4)

    @pytest.mark.parametrize("kind", [*taken_formats(), "GIF", "BMP"])
    def test_trailing_garbage_does_no_harm(self, kind: str) -> None:
        data = encode(blocks(2, 2), kind)
        found = load(data + random.Random(1).randbytes(5000), SPEC)
        np.testing.assert_array_equal(found.pixels, load(data, SPEC).pixels)

    @pytest.mark.parametrize(
        "data",
        [
            *(pytest.param(encode(noise(8, 8), kind), id=kind) for kind in ("EPS", "PDF", "TIFF", "ICO", "PPM", "TGA")),
            pytest.param(b"8BPS\0\x01" + bytes(6) + b"\0\x03\0\0\0\x08\0\0\0\x08\0\x08\0\x03" + bytes(400), id="PSD"),
            pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg' width='8' height='8'/>", id="SVG"),
            pytest.param(b"<!doctype html><title>404</title>", id="HTML"),
            pytest.param(b"\x7fELF" + bytes(100), id="ELF"),
            pytest.param(b"RIFF\x24\0\0\0WAVEfmt " + bytes(30), id="WAV"),
            pytest.param(b"\0\0\0\x18ftypmp42" + bytes(30), id="MP4"),
            pytest.param(b"", id="nothing"),
            pytest.param(b"\0", id="one byte"),
            pytest.param(b"\xff\xd8", id="half of a JPEG's first marker"),
        ],
    )
    def test_that_is_not_taken_is_refused(self, data: bytes) -> None:
        with pytest.raises(UnsupportedImage, match="JPEG, PNG, WEBP, GIF, BMP, AVIF"):
            load(data, SPEC)

    def test_zip_is_refused(self) -> None:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("image.png", encode(noise(8, 8)))
        with pytest.raises(UnsupportedImage):
            load(file.getvalue(), SPEC)

    @pytest.mark.parametrize("kind", [*taken_formats(), "GIF", "BMP"])
    def test_damaged_image_is_not_called_an_unknown_format(self, kind: str) -> None:
        with pytest.raises(UndecodableImage, match="damaged"):
            load(encode(noise(8, 8), kind)[:20], SPEC)


class TestLimits:
    @pytest.mark.parametrize("size", [(1, 50), (50, 1), (3, 150)])
    def test_side_ratio_at_the_limit_is_taken(self, size: tuple[int, int]) -> None:
        load(encode(flat("L", 0, size)), SPEC)

    @pytest.mark.parametrize("size", [(1, 51), (51, 1), (3, 151)])
    def test_side_ratio_over_the_limit_is_refused(self, size: tuple[int, int]) -> None:
        with pytest.raises(UndecodableImage, match=f"{size[0]} x {size[1]}.* 50 times"):
            load(encode(flat("L", 0, size)), SPEC)

    def test_pixels_at_the_limit_are_taken_and_over_it_refused(self) -> None:
        limits = Limits(max_pixels=100)
        load(encode(flat("L", 0, (10, 10))), SPEC, limits=limits)
        with pytest.raises(UndecodableImage, match="more than the 100 pixels"):
            load(encode(flat("L", 0, (10, 11))), SPEC, limits=limits)

    def test_side_ratio_can_be_set(self) -> None:
        with pytest.raises(UndecodableImage, match="2 times"):
            load(encode(flat("L", 0, (10, 21))), SPEC, limits=Limits(max_side_ratio=2))

    @pytest.mark.parametrize("data", BOMBS, ids=range(len(BOMBS)))
    def test_huge_header_is_refused(self, data: bytes) -> None:
        with pytest.raises(UndecodableImage, match="pixels"):
            load(data, SPEC)

    @pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's address space reliably")
    def test_huge_header_is_refused_before_any_pixel_is_allocated(self) -> None:
        # In a process that may grow by 32 MB; one plane of the smallest of these images would need 81 MB.
        program = """
            import resource, sys
            from pathlib import Path
            from service.pixels import PixelSpec, UndecodableImage, load
            from tests.support.images import BOMBS, encode, flat

            spec = PixelSpec(size=32, resize_short=32)
            for kind in ("PNG", "GIF", "WEBP", "BMP", "JPEG", "AVIF"):
                load(encode(flat("RGB", "red"), kind), spec)  # what a first image costs
            most = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + 32_000_000
            resource.setrlimit(resource.RLIMIT_AS, (most, most))
            for data in BOMBS:
                try:
                    load(data, spec)
                except UndecodableImage:
                    print("refused")
        """
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=False, timeout=60
        )
        assert done.stdout.split() == ["refused"] * len(BOMBS), done.stderr

    @pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
    def test_text_that_unpacks_to_much_does_no_harm(self, kind: bytes) -> None:
        packed = zlib.compress(bytes(50_000_000), 9)
        head = {b"zTXt": b"k\0\0", b"iTXt": b"k\0\1\0\0\0", b"iCCP": b"k\0\0"}[kind]
        try:
            load(png((8, 8), 8, 2, b"\0\0\0", chunk(kind, head + packed)), SPEC)
        except UndecodableImage as error:
            assert "too large" in str(error)  # noqa: PT017  (a colour profile is dropped, a text refuses the image)

    def test_jpeg_of_very_many_scans_is_refused(self) -> None:
        jpeg = encode(noise(16, 16), "JPEG", progressive=True)
        assert load(with_scans(jpeg, 100), SPEC).format == "JPEG"
        with pytest.raises(UndecodableImage, match="100 scans"):
            load(with_scans(jpeg, 101), SPEC)

    @pytest.mark.parametrize(
        "hide",
        [lambda jpeg: jpeg + b"\xff\xda" * 500, lambda jpeg: with_segments(jpeg, b"\xff\xe1" + b"\xff\xda" * 500)],
        ids=["after the image", "in a segment"],
    )
    def test_what_only_looks_like_a_scan_is_not_counted(self, hide: Callable[[bytes], bytes]) -> None:
        jpeg = encode(noise(16, 16), "JPEG", progressive=True)
        np.testing.assert_array_equal(load(hide(jpeg), SPEC).pixels, load(jpeg, SPEC).pixels)

    @pytest.mark.parametrize(("compression", "bits"), [(1, 8), (2, 4)])
    def test_run_length_bmp_is_refused(self, compression: int, bits: int) -> None:
        with pytest.raises(UndecodableImage, match="run-length"):
            load(bmp(7000, 7000, bits=bits, compression=compression, body=b"\1\5\0\0" * 7000), SPEC)

    @pytest.mark.parametrize(
        "data", [gif(0, 0, frame=(0, 0)), bmp(0, 5), bmp(5, 0), jpeg_header(0, 5), jpeg_header(5, 0)]
    )
    def test_image_without_pixels_is_refused(self, data: bytes) -> None:
        with pytest.raises(UndecodableImage):
            load(data, SPEC)


def outcome(data: bytes) -> Picture | ImageError:
    """What load gives or says; any other exception, a warning among them, fails the test."""
    result: Picture | ImageError
    try:
        result = load(data, SPEC, limits=Limits(max_pixels=100_000))
    except ImageError as error:
        result = error
    if isinstance(result, Picture):
        assert (result.pixels.shape, result.pixels.dtype) == ((32, 32, 3), np.uint8)
    else:
        assert len(str(result).splitlines()) == 1
    return result


class TestHostileBytes:
    @pytest.mark.parametrize("kind", SEEDS)
    def test_seed_is_an_image(self, kind: str) -> None:
        assert isinstance(outcome(SEEDS[kind]), Picture)

    @pytest.mark.parametrize("kind", SEEDS)
    def test_cut_file_is_a_picture_or_an_image_error(self, kind: str) -> None:
        data = SEEDS[kind]
        for sixteenth in range(16):
            outcome(data[: len(data) * sixteenth // 16])

    @pytest.mark.parametrize("kind", SEEDS)
    def test_altered_file_is_a_picture_or_an_image_error(self, kind: str) -> None:
        chance = random.Random(kind)
        for _ in range(1000):
            data = bytearray(SEEDS[kind])
            for _ in range(chance.choice((1, 2, 8))):
                data[int(len(data) * chance.random() ** 3)] = chance.choice(
                    (0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256))
                )
            outcome(bytes(data))

    @settings(max_examples=100, deadline=None)
    @given(st.sampled_from(sorted(SEEDS)), st.binary(max_size=100))
    def test_any_bytes_after_a_signature_are_a_picture_or_an_image_error(self, kind: str, rest: bytes) -> None:
        outcome(SEEDS[kind][:12] + rest)

    @pytest.mark.parametrize(
        "data",
        [
            pytest.param(with_segments(SEEDS["JPEG"], b"\xff\xe2MPF\0II*\0\x08\0\0\0\0\0"), id="malformed MPO"),
            pytest.param(with_chunk(SEEDS["PNG"], b"acTL", bytes(8)), id="APNG of no frames"),
            pytest.param(with_chunk(SEEDS["PNG"], b"eXIf", exif(6)[6:30]), id="EXIF cut"),
            pytest.param(
                with_segments(encode(noise(24, 20), "JPEG"), b"\xff\xe1" + exif(b"\0\6\0\6", kind=3, count=2)),
                id="two orientations",
            ),
            pytest.param(gif(9500, 9500), id="more pixels than Pillow likes"),
        ],
    )
    def test_pillows_warnings_stay_inside(self, data: bytes) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            result = outcome(data)
        assert "Warning" not in repr(result)
        assert isinstance(result, Picture) == (len(data) > 100)

    def test_running_out_of_memory_is_not_the_images_fault(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def exhausted(*_: object, **__: object) -> None:
            raise MemoryError

        monkeypatch.setattr(Image, "open", exhausted)
        with pytest.raises(MemoryError):
            load(SEEDS["PNG"], SPEC)
