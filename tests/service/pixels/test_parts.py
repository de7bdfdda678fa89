"""Files of very many parts, and what a decoder takes besides the thread that asks for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.pixels import UndecodableImage, load
from service.pixels.formats import open_image
from tests.service.pixels.specs import CROP
from tests.support.images import chunk, encode, flat, noise

MANY = 200_000
JPEG, PNG, GIF = (encode(flat("RGB", "red", (64, 48)), kind) for kind in ("JPEG", "PNG", "GIF"))
GIF_HEAD = 13 + 3 * (2 << (GIF[10] & 7))


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
    """Of 20 MB of these Pillow made up to six seconds of Python."""
    with pytest.raises(UndecodableImage, match="more parts"):
        load(data, CROP)


def test_as_many_parts_as_photos_have() -> None:
    """Pixels a kilobyte a chunk, where others write 8 and more."""
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
def test_no_threads_of_its_own(kind: str) -> None:
    """libavif would start one for each core of the host, for every image."""
    if kind == "HEIF":
        pytest.importorskip("pillow_heif")
    tasks = Path("/proc/self/task")
    data = encode(noise(640, 480), kind)
    load(data, CROP)
    before = len(list(tasks.iterdir()))
    with open_image(data) as image:
        image.load()
        assert len(list(tasks.iterdir())) == before
