from __future__ import annotations

import struct
import subprocess
import sys
import textwrap
import zlib
from collections.abc import Callable

import numpy as np
import pytest

from service.pixels import Limits, UndecodableImage, formats, load
from tests.service.pixels.specs import CROP
from tests.support.images import BOMBS, bmp, chunk, encode, flat, noise, png, with_scans, with_segments


@pytest.mark.parametrize("data", BOMBS, ids=range(len(BOMBS)))
def test_huge_header_is_refused(data: bytes) -> None:
    with pytest.raises(UndecodableImage, match="pixels"):
        load(data, CROP)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's address space reliably")
def test_huge_header_is_refused_before_any_pixel_is_allocated() -> None:
    # The process may grow by 32 MB; one plane of the smallest of these images would need 81 MB.
    program = """
        import resource, sys
        from pathlib import Path
        from service.pixels import PixelSpec, UndecodableImage, load
        from tests.support.images import BOMBS, encode, flat

        spec = PixelSpec(size=32, resize_short=32)
        for kind in ("PNG", "GIF", "WEBP", "BMP", "JPEG", "AVIF"):
            load(encode(flat("RGB", "red"), kind), spec)  # load the decoders first
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
def test_text_that_unpacks_to_much_data_does_no_harm(kind: bytes) -> None:
    packed = zlib.compress(bytes(50_000_000), 9)
    head = {b"zTXt": b"k\0\0", b"iTXt": b"k\0\1\0\0\0", b"iCCP": b"k\0\0"}[kind]
    try:
        load(png((8, 8), 8, 2, b"\0\0\0", chunk(kind, head + packed)), CROP)
    except UndecodableImage as error:
        assert "too large" in str(error)  # noqa: PT017  (a colour profile is ignored; a text makes Pillow refuse the image)


def test_jpeg_with_very_many_scans_is_refused() -> None:
    jpeg = encode(noise(16, 16), "JPEG", progressive=True)
    assert load(with_scans(jpeg, 100), CROP).format == "JPEG"
    with pytest.raises(UndecodableImage, match="100 scans"):
        load(with_scans(jpeg, 101), CROP)


@pytest.mark.parametrize(
    "hide",
    [lambda jpeg: jpeg + b"\xff\xda" * 500, lambda jpeg: with_segments(jpeg, b"\xff\xe1" + b"\xff\xda" * 500)],
    ids=["after the image", "in a segment"],
)
def test_bytes_that_only_look_like_a_scan_are_not_counted(hide: Callable[[bytes], bytes]) -> None:
    jpeg = encode(noise(16, 16), "JPEG", progressive=True)
    np.testing.assert_array_equal(load(hide(jpeg), CROP).pixels, load(jpeg, CROP).pixels)


@pytest.mark.parametrize(("compression", "bits"), [(1, 8), (2, 4)])
def test_run_length_bmp_is_refused(compression: int, bits: int) -> None:
    with pytest.raises(UndecodableImage, match="run-length"):
        load(bmp(7000, 7000, bits=bits, compression=compression, body=b"\1\5\0\0" * 7000), CROP)


def with_declared_size(width: int, height: int, data: bytes) -> bytes:
    """The AVIF with another size in its boxes; its frames are unchanged."""
    place = data.index(b"ispe") + 8
    return data[:place] + struct.pack(">II", width, height) + data[place + 8 :]


def test_avif_with_frames_larger_than_declared_is_refused() -> None:
    # libavif scales them: 64 x 64 pixels took 137 MB, from a file of 1 kB.
    data = encode(flat("RGB", "red", (1000, 800)), "AVIF", speed=10)
    assert load(data, CROP, limits=Limits(max_pixels=800_000)).width == 1000
    for size in ((64, 64), (800, 999)):
        with pytest.raises(UndecodableImage, match=r"needs . MB of memory|more than the 100,000 pixels"):
            load(with_declared_size(*size, data), CROP, limits=Limits(max_pixels=100_000))


def test_avif_with_frames_smaller_than_declared_counts_with_the_declared_size() -> None:
    small = with_declared_size(1000, 1000, encode(flat("RGB", "red", (20, 20)), "AVIF", subsampling="4:4:4"))
    assert load(small, CROP, limits=Limits(max_pixels=1_000_000)).width == 1000
    alpha = with_declared_size(1000, 1000, encode(flat("RGBA", (1, 2, 3, 4), (20, 20)), "AVIF", subsampling="4:4:4"))
    with pytest.raises(UndecodableImage, match="needs 14 MB"):
        load(alpha, CROP, limits=Limits(max_pixels=1_000_000))


def test_avif_of_the_largest_size_may_have_alpha_unless_no_plane_is_subsampled() -> None:
    image, limits = flat("RGBA", (1, 2, 3, 99), (1000, 1000)), Limits(max_pixels=1_000_000)
    assert load(encode(image, "AVIF", speed=10), CROP, limits=limits).width == 1000
    whole = encode(image, "AVIF", speed=10, subsampling="4:4:4")
    with pytest.raises(UndecodableImage, match="needs 14 MB of memory: more than the 12 MB"):
        load(whole, CROP, limits=limits)
    assert load(whole, CROP, limits=Limits(max_pixels=1_200_000)).width == 1000


def test_avif_without_frames_is_refused() -> None:
    data = encode(flat("RGB", "red"), "AVIF")
    place = data.index(b"mdat") + 4
    with pytest.raises(UndecodableImage, match="damaged"):
        load(data[:place] + bytes(len(data) - place), CROP)


@pytest.mark.skipif("HEIF" not in formats(), reason="needs pillow-heif")
def test_heif_with_frames_larger_than_declared_is_refused() -> None:
    data = encode(flat("RGB", "red", (1000, 800)), "HEIF")
    with pytest.raises(UndecodableImage):
        load(with_declared_size(64, 64, data), CROP)


@pytest.mark.skipif("HEIF" not in formats(), reason="needs pillow-heif")
def test_heif_of_the_largest_size_may_have_alpha_unless_no_plane_is_subsampled() -> None:
    image, limits = flat("RGBA", (1, 2, 3, 99), (1000, 1000)), Limits(max_pixels=1_000_000)
    assert load(encode(image, "HEIF"), CROP, limits=limits).width == 1000
    with pytest.raises(UndecodableImage, match="more than the 12 MB"):
        load(encode(image, "HEIF", chroma=444), CROP, limits=limits)
