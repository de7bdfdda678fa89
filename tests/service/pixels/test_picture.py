"""Hostile bytes do no harm: `load` returns a picture or raises an ImageError."""

from __future__ import annotations

import random
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from service.pixels import ImageError, Limits, Picture, UndecodableImage, UnsupportedImage, decode, load
from tests.service.pixels.specs import CROP
from tests.support.images import BOMBS, SEEDS, STORED_AS, encode, exif, gif, noise, with_chunk, with_segments


def outcome(data: bytes) -> Picture | ImageError:
    """The result or the ImageError of `load`; any other exception, or a warning, fails the test."""
    result: Picture | ImageError
    try:
        result = load(data, CROP, limits=Limits(max_pixels=100_000))
    except ImageError as error:
        result = error
    if isinstance(result, Picture):
        assert (result.pixels.shape, result.pixels.dtype) == ((32, 32, 3), np.uint8)
    else:
        assert len(str(result).splitlines()) == 1
    return result


@pytest.mark.parametrize("kind", SEEDS)
def test_a_seed_is_an_image(kind: str) -> None:
    assert isinstance(outcome(SEEDS[kind]), Picture)


@pytest.mark.parametrize("kind", SEEDS)
def test_a_cut_file_is_a_picture_or_an_image_error(kind: str) -> None:
    data = SEEDS[kind]
    for sixteenth in range(16):
        outcome(data[: len(data) * sixteenth // 16])


@pytest.mark.parametrize("kind", SEEDS)
def test_an_altered_file_is_a_picture_or_an_image_error(kind: str) -> None:
    chance = random.Random(kind)
    for _ in range(1000):
        data = bytearray(SEEDS[kind])
        for _ in range(chance.choice((1, 2, 8))):
            data[int(len(data) * chance.random() ** 3)] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        outcome(bytes(data))


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(SEEDS)), st.binary(max_size=100))
def test_any_bytes_after_a_signature_are_a_picture_or_an_image_error(kind: str, rest: bytes) -> None:
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
        pytest.param(gif(9500, 9500), id="more pixels than Pillow warns of"),
    ],
)
def test_pillows_warnings_are_not_shown(data: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = outcome(data)
    assert "Warning" not in repr(result)
    assert isinstance(result, Picture) == (len(data) > 100)


def test_running_out_of_memory_is_not_an_image_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Image, "open", exhausted)
    with pytest.raises(MemoryError):
        load(SEEDS["PNG"], CROP)


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_an_image_is_decoded_in_its_own_size(orientation: int) -> None:
    """Also a JPEG that is large enough for `load` to reduce it while it is decoded."""
    upright = Image.new("RGB", (900, 600), "red")
    upright.paste("blue", (0, 0, 450, 600))
    transposition = STORED_AS[orientation]
    stored = upright if transposition is None else upright.transpose(transposition)
    found = decode(encode(stored, "JPEG", quality=100, exif=exif(orientation)))
    assert (found.size, found.mode) == ((900, 600), "RGB")
    assert np.abs(np.asarray(found).astype(int) - np.asarray(upright)).mean() < 2


@pytest.mark.parametrize(("data", "error"), [(b"no image", UnsupportedImage), (BOMBS[0], UndecodableImage)])
def test_what_load_refuses_is_not_decoded_in_its_own_size(data: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        decode(data)
