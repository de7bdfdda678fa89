"""Images of every kind over HTTP: accepted ones are upright and have their colours, others are rejected in time."""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.support.bundles import COLOURS, make_image
from tests.support.images import (
    BOMBS,
    SEEDS,
    STORED_AS,
    chunk,
    encode,
    exif,
    flat,
    png,
    webp,
    with_segments,
)
from tests.support.problems import assert_problem

FRAMES = 10_000
RED = flat("RGB", "red", (64, 48))
JPEG, PNG, GIF = (encode(RED, kind) for kind in ("JPEG", "PNG", "GIF"))
COLOUR_PROFILE = b"no profile at all"


def ask(client: httpx.Client, data: bytes) -> httpx.Response:
    return client.post("/v1/predict", content=data, headers={"Content-Type": "application/octet-stream"})


def outcome(client: httpx.Client, data: bytes) -> int:
    """Return the status of an image that may be good or bad; checks the shape of a problem."""
    response = ask(client, data)
    if response.status_code != 200:
        assert_problem(response, 415 if response.status_code == 415 else 422)
    return response.status_code


def with_marker(jpeg: bytes, marker: int, *, precision: int = 8) -> bytes:
    """Return the baseline JPEG with the frame header of another process (ITU-T T.81, table B.1) or precision."""
    data = bytearray(jpeg)
    place = data.index(b"\xff\xc0")
    data[place + 1], data[place + 4] = marker, precision
    return bytes(data)


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("red.png", PNG)
    return file.getvalue()


def long_gif() -> bytes:
    """Return a red frame, then damaged ones."""
    frame = b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\xff\xff\x00"
    return GIF.rstrip(b";") + frame * FRAMES + b";"


def long_apng() -> bytes:
    """Return a red frame, then damaged ones."""
    head, rest = PNG[:33], PNG[33:]
    first = chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 64, 48, 0, 0, 1, 10, 0, 0))
    later = b"".join(
        chunk(b"fcTL", struct.pack(">IIIIIHHBB", 2 * number + 1, 64, 48, 0, 0, 1, 10, 0, 0))
        + chunk(b"fdAT", struct.pack(">I", 2 * number + 2) + b"damaged")
        for number in range(FRAMES)
    )
    control = chunk(b"acTL", struct.pack(">II", FRAMES + 1, 0))
    return head + control + first + rest.removesuffix(chunk(b"IEND")) + later + chunk(b"IEND")


def long_webp() -> bytes:
    """Return very many red frames."""
    still = encode(RED, "WEBP", lossless=True)[12:]
    sides = (63).to_bytes(3, "little") + (47).to_bytes(3, "little")
    frame = bytes(6) + sides + (10).to_bytes(3, "little") + b"\0" + still
    frames = (b"ANMF" + struct.pack("<I", len(frame)) + frame) * FRAMES
    body = b"WEBP" + b"VP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + sides + b"ANIM\x06\0\0\0" + bytes(6) + frames
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF", "MPO"])
def test_accepted_formats(default_client: httpx.Client, kind: str, colour: str) -> None:
    response = ask(default_client, make_image(colour, encoding=kind)).json()
    assert response["label"] == colour
    assert response["image"]["format"] in (kind, "JPEG")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", STORED_AS)
def test_every_orientation_is_upright(default_client: httpx.Client, kind: str, orientation: int) -> None:
    upright = Image.new("RGB", (90, 60), "blue")
    upright.paste("red", (0, 0, 90, 20))
    transposition = STORED_AS[orientation]
    stored = upright if transposition is None else upright.transpose(transposition)
    response, expected = (
        ask(default_client, encode(image, kind, exif=exif(number), lossless=True, quality=100)).json()
        for image, number in ((stored, orientation), (upright, 1))
    )
    assert (response["label"], response["image"]) == (expected["label"], expected["image"])
    assert response["probability"] == pytest.approx(expected["probability"], abs=0.02)


@pytest.mark.parametrize(
    "broken",
    [exif(0), exif(9), exif(b"abc\0", kind=2), exif(b"\xff\xff\xff\xff", kind=9), b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_broken_exif_counts_as_upright(default_client: httpx.Client, kind: str, broken: bytes) -> None:
    response = ask(default_client, encode(RED, kind, exif=broken)).json()
    assert (response["label"], response["image"]["width"]) == ("red", 64)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(encode(RED.convert("L")), id="grey"),
        pytest.param(encode(RED.convert("LA")), id="grey with alpha"),
        pytest.param(encode(RED.quantize(4), transparency=1), id="palette with transparency"),
        pytest.param(encode(RED.convert("RGBA")), id="alpha"),
        pytest.param(encode(RED.convert("1")), id="1-bit"),
        pytest.param(encode(flat("I;16", 40_000, (20, 20))), id="16-bit grey"),
        pytest.param(png((20, 20), 16, 6, b"\xff\xff\0\0\0\0\xff\xff"), id="16-bit with alpha"),
        pytest.param(encode(RED.convert("CMYK"), "JPEG"), id="CMYK"),
        pytest.param(encode(RED.convert("CMYK"), "JPEG").replace(b"Adobe", b"Other"), id="CMYK, unmarked"),
        pytest.param(encode(RED, "JPEG", icc_profile=COLOUR_PROFILE), id="broken profile in a JPEG"),
        pytest.param(encode(RED, "WEBP", icc_profile=COLOUR_PROFILE), id="broken profile in a WebP"),
        pytest.param(encode(RED, "JPEG", progressive=True), id="progressive"),
        pytest.param(encode(flat("RGB", "red", (1, 1))), id="1 x 1"),
        pytest.param(JPEG + random.Random(0).randbytes(50_000), id="trailing garbage"),
    ],
)  # fmt: skip
def test_accepted_kinds_of_images(default_client: httpx.Client, data: bytes) -> None:
    assert outcome(default_client, data) == 200


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(with_marker(JPEG, 0xC9), id="arithmetic coding"),
        pytest.param(with_marker(JPEG, 0xC1, precision=12), id="12 bits"),
        pytest.param(with_marker(JPEG, 0xC3), id="lossless"),
        pytest.param(with_marker(JPEG, 0xC5), id="hierarchical"),
        pytest.param(JPEG + zipped(), id="JPEG and ZIP"),
        pytest.param(zipped() + JPEG, id="ZIP and JPEG"),
        pytest.param(GIF.replace(b"GIF89a", b"GIF89a/*", 1) + b"*/=1;alert(1)", id="GIF and script"),
        pytest.param(with_segments(JPEG, b"\xff\xfe<script>alert(1)</script>"), id="JPEG and HTML"),
        pytest.param(b"%PDF-1.7\n" + JPEG, id="PDF and JPEG"),
        pytest.param(JPEG[:2] + b"%PDF-1.7\n" + JPEG[2:], id="JPEG and PDF"),
        pytest.param(PNG[:8] + GIF, id="PNG and GIF"),
        pytest.param(b"RIFF" + PNG[4:], id="RIFF and PNG"),
    ],
)
def test_odd_files(default_client: httpx.Client, data: bytes) -> None:
    outcome(default_client, data)


@pytest.mark.parametrize("make", [long_gif, long_apng, long_webp])
def test_only_the_first_of_very_many_frames_is_decoded(default_client: httpx.Client, make: Any) -> None:
    response = ask(default_client, make()).json()
    assert (response["label"], response["image"]["width"]) == ("red", 64)


@pytest.mark.parametrize("data", BOMBS, ids=range(len(BOMBS)))
def test_huge_headers(default_client: httpx.Client, data: bytes) -> None:
    assert "pixels" in assert_problem(ask(default_client, data), 422)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(encode(flat("L", 0, (30_000, 1))), id="30,000 x 1"),
        pytest.param(encode(flat("L", 0, (1, 30_000))), id="1 x 30,000"),
        pytest.param(webp(b"VP8X", bytes(4)), id="a cut header"),
    ],
)
def test_images_without_a_picture(default_client: httpx.Client, data: bytes) -> None:
    assert_problem(ask(default_client, data), 422)


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
def test_text_that_decompresses_to_a_lot(default_client: httpx.Client, kind: bytes) -> None:
    head = {b"zTXt": b"k\0\0", b"iTXt": b"k\0\1\0\0\0", b"iCCP": b"k\0\0"}[kind]
    packed = zlib.compress(bytes(50_000_000), 9)
    assert outcome(default_client, png((8, 8), 8, 2, b"\0\0\0", chunk(kind, head + packed))) in (200, 422)


@pytest.mark.parametrize(
    "data",
    [
        *(pytest.param(encode(RED, kind), id=kind) for kind in ("EPS", "PDF", "TIFF", "ICO", "PPM", "TGA")),
        pytest.param(b"8BPS\0\x01" + bytes(6) + b"\0\x03\0\0\0\x08\0\0\0\x08\0\x08\0\x03" + bytes(400), id="PSD"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg' width='8' height='8'/>", id="SVG"),
        pytest.param(b"<!doctype html><title>404</title>", id="HTML"),
        pytest.param(zipped(), id="ZIP"),
        pytest.param(b"\x7fELF" + bytes(100), id="ELF"),
        pytest.param(b"MZ" + bytes(100), id="EXE"),
        pytest.param(b"\0", id="one byte"),
    ],
)
def test_formats_that_are_not_accepted(default_client: httpx.Client, data: bytes) -> None:
    assert "not an image in an accepted format" in assert_problem(ask(default_client, data), 415)


@pytest.mark.parametrize("kind", SEEDS)
def test_cut_files(default_client: httpx.Client, kind: str) -> None:
    data = SEEDS[kind]
    for sixteenth in range(1, 16):
        outcome(default_client, data[: len(data) * sixteenth // 16])


@pytest.mark.parametrize("kind", SEEDS)
def test_altered_files(default_client: httpx.Client, kind: str) -> None:
    chance = random.Random(kind)
    for _ in range(100):
        data = bytearray(SEEDS[kind])
        for _ in range(chance.choice((1, 2, 8))):
            data[int(len(data) * chance.random() ** 3)] = chance.randrange(256)
        outcome(default_client, bytes(data))
