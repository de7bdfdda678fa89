from __future__ import annotations

import random
import struct
from collections.abc import Sequence

import pytest

from service.pixels.isobmff import MediaFile, PartBudget, TooManyParts
from tests.support.images import SEEDS

FILE, IDAT = 0, 1


def box(kind: bytes, *content: bytes) -> bytes:
    joined = b"".join(content)
    return struct.pack(">I4s", 8 + len(joined), kind) + joined


def table(
    extents: Sequence[Sequence[tuple[int, int]]], *, version: int = 1, source: int = FILE, base: int = 0
) -> bytes:
    """An `iloc` box. Each item has (offset, length) extents; these take 4 bytes each, and `base` takes one."""
    wide = ">I" if version == 2 else ">H"
    data = bytes([version, 0, 0, 0, 0x44, 0x10]) + struct.pack(wide, len(extents))
    for number, item in enumerate(extents):
        method = struct.pack(">H", source) if version else b""
        data += struct.pack(wide, number) + method + struct.pack(">HBH", 0, base, len(item))
        data += b"".join(struct.pack(">II", *extent) for extent in item)
    return box(b"iloc", data)


def meta(*content: bytes) -> bytes:
    return box(b"meta", bytes(4), *content)


def items(data: bytes, *, parts: int = 100) -> list[bytes]:
    return [bytes(item) for item in MediaFile(data, PartBudget(parts)).items()]


@pytest.mark.parametrize("version", [0, 1, 2])
def test_items_may_be_in_the_file(version: int) -> None:
    assert items(b"\0\0\0\x0afreexy" + meta(table([[(8, 2)], [(4, 4)]], version=version))) == [b"xy", b"free"]
    assert items(b"\0\0\0\x0afreexy" + meta(table([[(1, 1)]], version=version, base=8))) == [b"y"]


def test_items_may_be_in_the_idat_box() -> None:
    extents = table([[(1, 2)]], source=IDAT)
    for inside in ((box(b"idat", b"abcd"), extents), (extents, box(b"idat", b"abcd"))):
        assert items(meta(*inside)) == [b"bc"]


def test_the_extents_of_an_item_are_joined() -> None:
    assert items(box(b"free", b"abcdef") + meta(table([[(12, 2), (8, 1)], []]))) == [b"efa", b""]


def test_an_extent_beyond_the_end_is_cut() -> None:
    assert items(box(b"free", b"ab") + meta(table([[(8, 0)], [(10**6, 5)]]))) == [b"", b""]


def test_overlapping_extents_are_not_joined() -> None:
    with pytest.raises(TooManyParts):
        items(meta(table([[(0, 20)] * 50])))


@pytest.mark.parametrize(
    "header",
    [bytes([3, 0, 0, 0, 0x44, 0x00, 0, 1]), bytes([1, 0, 0, 0, 0x44, 0x04, 0, 1]), bytes([0, 0, 0, 0, 0x44, 0, 0, 1])],
    ids=["unknown version", "with an index", "cut"],
)
def test_an_iloc_table_that_cannot_be_read_is_an_error(header: bytes) -> None:
    with pytest.raises(ValueError, match=r"iloc|too early"):
        items(meta(box(b"iloc", header)))


@pytest.mark.parametrize(
    "after", [b"\0\0\0\7free", b"\0\0\0\1free" + bytes(7) + b"\x0f", b"\0\0\0\0free", b"\0\0", b"\xff\xff\xff\xfffree"]
)
def test_reading_stops_at_a_malformed_box(after: bytes) -> None:
    image = box(b"free", b"ab") + meta(table([[(8, 2)]]))
    assert items(image + after) == [b"ab"]
    assert items(after + image) == []


def test_a_box_with_a_64_bit_size() -> None:
    inside = meta(table([[(8, 4)]]))
    assert items(b"\0\0\0\1free" + struct.pack(">Q", 18) + b"ab" + inside) == [b"\0\0\0\0"]


@pytest.mark.parametrize("same", [0, 3])
@pytest.mark.parametrize("kind", [b"stco", b"co64"])
def test_the_first_sample_of_each_track_is_found(kind: bytes, same: int) -> None:
    place = struct.pack(">II" if kind == b"stco" else ">IQ", 1, 8)
    sizes = struct.pack(">IIII", 0, same, 2, 3) + struct.pack(">I", 9)
    tables = box(b"stbl", box(kind, bytes(4), place), box(b"stsz", sizes))
    track = box(b"trak", box(b"mdia", box(b"minf", tables)))
    media = MediaFile(box(b"mdat", b"abcdef") + box(b"moov", track, track), PartBudget(100))
    assert [bytes(sample) for sample in media.first_samples()] == [b"abc", b"abc"]


@pytest.mark.parametrize(
    "data",
    [
        box(b"free") * 1000,
        meta(box(b"free") * 1000),
        meta(table([[]] * 1000)),
        meta(table([[(0, 0)] * 1000])),
        meta(box(b"iloc", bytes([0, 0, 0, 0, 0, 0, 0xFF, 0xFF]) + b"\xff" * 6 * 200)),
    ],
    ids=["boxes", "boxes in a box", "items", "extents", "extents without bytes"],
)
def test_too_many_parts_are_not_read(data: bytes) -> None:
    with pytest.raises(TooManyParts):
        items(data)


def test_altered_files_raise_no_other_error() -> None:
    chance = random.Random(0)
    for _ in range(3000):
        data = bytearray(SEEDS["AVIF"])
        for _ in range(chance.choice((1, 2, 8))):
            data[int(len(data) * chance.random() ** 2)] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        media = MediaFile(bytes(data), PartBudget(1000))
        try:
            parts = [*media.items(), *media.first_samples()]
        except (TooManyParts, ValueError):
            continue
        assert all(len(part) <= len(data) for part in parts)
