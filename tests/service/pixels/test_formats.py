from __future__ import annotations

import io
import random
import subprocess
import sys
import textwrap
import zipfile

import numpy as np
import pytest
from PIL import Image

from service.pixels import UndecodableImage, UnsupportedImage, load
from tests.service.pixels.specs import CROP, colour_of
from tests.support.images import blocks, encode, flat, noise, taken_formats


@pytest.mark.parametrize("kind", [*taken_formats(), "GIF", "BMP"])
def test_a_format_is_found_by_content(kind: str) -> None:
    picture = load(encode(blocks(2, 1), kind), CROP)
    assert (picture.format, picture.width, picture.height) == (kind, 32, 16)


def test_progressive_jpeg() -> None:
    image = blocks(3, 2)
    expected = load(encode(image, "JPEG"), CROP).pixels
    np.testing.assert_array_equal(load(encode(image, "JPEG", progressive=True), CROP).pixels, expected)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "MPO", "AVIF"])
def test_only_the_first_frame_counts(kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    frames = [flat("RGB", colour) for colour in ("red", "lime", "blue")]
    data = encode(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert Image.open(io.BytesIO(data)).n_frames == 3
    assert load(data, CROP).format == kind
    assert colour_of(data) == pytest.approx((255, 0, 0), abs=4)


@pytest.mark.parametrize("kind", [*taken_formats(), "GIF", "BMP"])
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
def test_a_format_that_is_not_taken_is_refused(data: bytes) -> None:
    with pytest.raises(UnsupportedImage, match="JPEG, PNG, WEBP, GIF, BMP, AVIF"):
        load(data, CROP)


def test_zip_is_refused() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("image.png", encode(noise(8, 8)))
    with pytest.raises(UnsupportedImage):
        load(file.getvalue(), CROP)


@pytest.mark.parametrize("kind", [*taken_formats(), "GIF", "BMP"])
def test_damaged_image_is_not_called_an_unknown_format(kind: str) -> None:
    with pytest.raises(UndecodableImage, match="damaged"):
        load(encode(noise(8, 8), kind)[:20], CROP)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists the threads of a process")
def test_avif_is_decoded_by_no_other_threads() -> None:
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
