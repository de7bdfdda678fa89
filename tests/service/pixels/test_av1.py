from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from service.pixels.av1 import StreamInfo, read_stream_info
from service.pixels.isobmff import MediaFile, PartBudget, TooManyParts
from tests.support.av1 import Sequence, unit
from tests.support.images import encode, noise

# Kind -> a stream of 36 x 20 pixels that libaom wrote, and its bytes per pixel.
STREAMS = {
    "10 bits, 4:2:0": ("12000a091815239b5408081a10321917878786218618619e410800ee2170dc0f3bed54538225ee30", 3.0),
    "10 bits, 4:2:2": ("12000a095815239b5204040d20321817821b10c30c30cf208400ee2170dc16274fa953adc9aa90", 4.0),
    "10 bits, grey": ("12000a061815239b1a8032081000ea0737fb44a8", 2.0),
    "12 bits, 4:4:4": ("12000a095815239b5a04040d10321817826304c30c30cf208400ee2166ab96274fa953adc9aa90", 6.0),
}


def read(data: bytes, *, parts: int = 1000) -> StreamInfo:
    found = read_stream_info(memoryview(data), PartBudget(parts))
    assert found is not None
    return found


def stream_of(image: Image.Image, **options: Any) -> StreamInfo:
    """The stream of the only item with frames in an AVIF."""
    media = MediaFile(encode(image, "AVIF", speed=10, **options), PartBudget(1000))
    (found,) = (found for item in media.items() if (found := read_stream_info(item, PartBudget(1000))) is not None)
    return found


@pytest.mark.parametrize(("subsampling", "expected"), [("4:2:0", 1.5), ("4:2:2", 2), ("4:4:4", 3), ("4:0:0", 1)])
def test_size_and_planes_of_a_still_picture(subsampling: str, expected: float) -> None:
    found = stream_of(noise(37, 21), subsampling=subsampling)
    assert (found.size, found.bytes_per_pixel) == ((37, 21), expected)


@pytest.mark.parametrize("kind", STREAMS)
def test_size_and_planes_of_high_bit_depths(kind: str) -> None:
    data, expected = STREAMS[kind]
    found = read(bytes.fromhex(data))
    assert (found.size, found.bytes_per_pixel) == ((36, 20), expected)


@pytest.mark.parametrize("timed", [False, True])
@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("frame", [{}, {"shown": False}, {"kind": 1}, {"kind": 2, "shown": False}], ids=str)
def test_a_frame_with_a_size_of_its_own_counts_with_the_largest_possible_size(
    timed: bool, named: bool, plain: bool, frame: dict[str, Any]
) -> None:
    sequence = Sequence(timed=timed, named=named, plain=plain)
    assert read(sequence.unit() + sequence.frame(**frame)).size == (1000, 1000)
    assert read(sequence.unit() + sequence.frame(**frame, resized=True)).size == (1024, 1024)


def test_a_frame_that_is_shown_again_has_no_size() -> None:
    sequence = Sequence()
    assert read(sequence.unit() + sequence.frame() + sequence.frame(again=True)).size == (1000, 1000)


@pytest.mark.parametrize(
    ("tools", "copies"), [({}, 1), ({"superres": True}, 2), ({"superres": True, "grain": True}, 3)]
)
def test_superres_and_film_grain_need_one_more_frame_each(tools: dict[str, bool], copies: int) -> None:
    sequence = Sequence(**tools)
    found = read(sequence.unit() + sequence.frame())
    assert 1.5e6 * copies < found.decoder_bytes < 2.5e6 * copies


def test_a_decoder_keeps_up_to_eight_frames_besides_the_current_one() -> None:
    sequence = Sequence()
    one = read(sequence.unit() + sequence.frame()).decoder_bytes
    assert read(sequence.unit() + 3 * sequence.frame(shown=False)).decoder_bytes == 3 * one
    assert read(sequence.unit() + 99 * sequence.frame(shown=False)).decoder_bytes == 9 * one


def test_the_largest_sequence_counts() -> None:
    small, large = Sequence(width=10, height=10), Sequence(width=900, height=800)
    data = small.unit() + small.frame() + large.unit() + large.frame() + small.unit() + small.frame()
    assert read(data).size == (900, 800)


def test_frames_before_the_malformed_part_count() -> None:
    sequence = Sequence()
    whole = sequence.unit() + sequence.frame()
    for end in (b"\x32", b"\x32\x09\0", b"\x80", b"\x0a\x01\0", b"\x32" + b"\xff" * 9, b"\x32\0"):
        assert read(whole + end).size == (1000, 1000)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        Sequence().unit(),
        Sequence().frame(),
        unit(2, b""),
        b"Exif\0\0MM\0*",
        b"\0\0\0\0MM\0*",
        b"<x:xmpmeta",
    ],
)
def test_bytes_without_frames_are_not_a_stream(data: bytes) -> None:
    assert read_stream_info(memoryview(data), PartBudget(1000)) is None


def test_very_many_units_are_not_read() -> None:
    with pytest.raises(TooManyParts):
        read(20 * unit(15, b""), parts=19)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 40))
def test_any_bytes_are_a_stream_or_none(data: bytes, start: int) -> None:
    sequence = Sequence(timed=True, named=True)
    whole = sequence.unit() + sequence.frame()
    found = read_stream_info(memoryview(whole[:start] + data), PartBudget(1000))
    assert found is None or found.decoder_bytes > 0


def test_an_animation_has_its_first_frames_in_tracks() -> None:
    file = io.BytesIO()
    noise(64, 48).save(file, "AVIF", save_all=True, append_images=[noise(64, 48)], speed=10)
    samples = list(MediaFile(file.getvalue(), PartBudget(1000)).first_samples())
    assert [read(bytes(sample)).size for sample in samples] == [(64, 48)]
