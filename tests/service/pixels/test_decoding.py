from __future__ import annotations

import io
import random
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin

from service.pixels import UndecodableImage, UnsupportedImage, load
from service.pixels.decoding import draft, open_image
from tests.service.pixels.specs import CROP, colour_of
from tests.support.images import STORED_AS, accepted_formats, blocks, chunk, encode, exif, flat, noise

MANY = 200_000
JPEG, PNG, GIF = (encode(flat("RGB", "red", (64, 48)), kind) for kind in ("JPEG", "PNG", "GIF"))
GIF_HEAD = 13 + 3 * (2 << (GIF[10] & 7))


@pytest.mark.parametrize("kind", [*accepted_formats(), "GIF", "BMP"])
def test_a_format_is_found_by_content(kind: str) -> None:
    picture = load(encode(blocks(2, 1), kind), CROP)
    assert (picture.format, picture.width, picture.height) == (kind, 32, 16)


def test_progressive_jpeg() -> None:
    image = blocks(3, 2)
    expected = load(encode(image, "JPEG"), CROP).pixels
    np.testing.assert_array_equal(load(encode(image, "JPEG", progressive=True), CROP).pixels, expected)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "MPO", "AVIF"])
def test_only_the_first_frame_is_used(kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    frames = [flat("RGB", colour) for colour in ("red", "lime", "blue")]
    data = encode(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert Image.open(io.BytesIO(data)).n_frames == 3
    assert load(data, CROP).format == kind
    assert colour_of(data) == pytest.approx((255, 0, 0), abs=4)


@pytest.mark.parametrize("kind", [*accepted_formats(), "GIF", "BMP"])
def test_trailing_garbage_does_no_harm(kind: str) -> None:
    data = encode(blocks(2, 2), kind)
    found = load(data + random.Random(1).randbytes(5000), CROP)
    np.testing.assert_array_equal(found.pixels, load(data, CROP).pixels)


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
def test_a_format_that_is_not_accepted_is_refused(data: bytes) -> None:
    with pytest.raises(UnsupportedImage, match="JPEG, PNG, WEBP, GIF, BMP, AVIF"):
        load(data, CROP)


def test_zip_is_refused() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("image.png", encode(noise(8, 8)))
    with pytest.raises(UnsupportedImage):
        load(file.getvalue(), CROP)


@pytest.mark.parametrize("kind", [*accepted_formats(), "GIF", "BMP"])
def test_damaged_image_is_not_called_an_unknown_format(kind: str) -> None:
    with pytest.raises(UndecodableImage, match="damaged"):
        load(encode(noise(8, 8), kind)[:20], CROP)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists the threads of a process")
def test_avif_is_decoded_by_the_calling_thread() -> None:
    program = """
        import sys, threading
        from pathlib import Path
        from service.pixels import PixelSpec, load

        spec, data = PixelSpec(size=32, resize_short=32), sys.stdin.buffer.read()
        worker = threading.Thread(target=lambda: [load(data, spec) for _ in range(3)])
        threads = Path("/proc/self/task")
        before = most = len(list(threads.iterdir()))
        worker.start()
        while worker.is_alive():
            most = max(most, len(list(threads.iterdir())))
        print(most - before)
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    image = encode(blocks(100, 100), "AVIF", speed=10)
    done = subprocess.run(command, input=image, capture_output=True, check=True, timeout=60)
    assert int(done.stdout) == 1


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(JPEG[:2] + b"\xff\xfe\0\2" * MANY + JPEG[2:], id="JPEG comments"),
        pytest.param(JPEG[:2] + b"\xff\xe1\0\2" * MANY + JPEG[2:], id="JPEG application segments"),
        pytest.param(JPEG[:2] + b"\xff" * MANY + JPEG[2:], id="JPEG fill bytes"),
        pytest.param(PNG[:33] + chunk(b"tEXt") * MANY + PNG[33:], id="PNG texts"),
        pytest.param(PNG[:33] + chunk(b"IDAT") * MANY + PNG[33:], id="PNG pieces of pixels"),
        pytest.param(PNG[:-12] + chunk(b"abCd") * MANY + PNG[-12:], id="PNG chunks after the pixels"),
        pytest.param(GIF[:GIF_HEAD] + b"!\xfe" + b"\1c" * MANY + b"\0" + GIF[GIF_HEAD:], id="GIF comment"),
        pytest.param(GIF[:GIF_HEAD] + b"\0" * MANY + GIF[GIF_HEAD:], id="GIF nothing"),
    ],
)
def test_very_many_parts_are_refused(data: bytes) -> None:
    """Pillow ran up to six seconds of Python for 20 MB of these."""
    with pytest.raises(UndecodableImage, match="too many parts"):
        load(data, CROP)


def test_as_many_parts_as_photos_have_are_accepted() -> None:
    """One kilobyte of pixels per chunk; other programs write 8 kilobytes and more."""
    whole = encode(noise(1200, 1000), "PNG")
    start, end = whole.index(b"IDAT") - 4, whole.rindex(b"IEND") - 4
    pixels, place = b"", start
    while place < end:
        length = int.from_bytes(whole[place : place + 4], "big")
        pixels += whole[place + 8 : place + 8 + length]
        place += 12 + length
    pieces = [chunk(b"IDAT", pixels[place : place + 1024]) for place in range(0, len(pixels), 1024)]
    assert len(pieces) > 3000
    picture = load(whole[:start] + b"".join(pieces) + whole[end:], CROP)
    assert (picture.pixels == load(whole, CROP).pixels).all()


@pytest.mark.parametrize("kind", ["AVIF", "HEIF"])
def test_decoding_starts_no_threads(kind: str) -> None:
    """libavif would start one per core of the host, for every image."""
    if kind == "HEIF":
        pytest.importorskip("pillow_heif")
    tasks = Path("/proc/self/task")
    data = encode(noise(640, 480), kind)
    load(data, CROP)
    before = len(list(tasks.iterdir()))
    with open_image(data) as image:
        image.load()
        assert len(list(tasks.iterdir())) == before


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
def test_jpeg_is_reduced_as_far_as_twice_the_short_side_allows(size: tuple[int, int], reduction: int) -> None:
    image = Image.open(io.BytesIO(encode(flat("L", 0, size), "JPEG")))
    draft(image, 10)
    assert image.size == tuple(-(-side // reduction) for side in size)


@pytest.mark.parametrize("size", [(1603, 1201), (803, 1599), (577, 577)])
@pytest.mark.parametrize("orientation", STORED_AS)
def test_the_reduction_keeps_the_geometry_and_nearly_the_pixels(size: tuple[int, int], orientation: int) -> None:
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


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"hevc", b"mif1"])
def test_heic_without_the_extra_names_it(monkeypatch: pytest.MonkeyPatch, brand: bytes) -> None:
    monkeypatch.setattr("service.pixels.decoding.formats", lambda: ("JPEG", "PNG"))
    with pytest.raises(
        UnsupportedImage, match=r"HEIC. HEIC is read only with an extra: pip install 'fieldguide\[heic\]'"
    ):
        load(b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1heic" + bytes(64), CROP)
