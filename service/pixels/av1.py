"""How much memory the frames of an AV1 stream take: its headers, read before a decoder allocates anything.

After the AV1 Bitstream & Decoding Process Specification, sections 5.3 to 5.9. An AVIF file says in a box of its own how
large its image is, and libavif scales whatever its frames are to that: only the stream itself tells what it costs.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from service.pixels.isobmff import Steps

_SEQUENCE_HEADER, _FRAME_HEADER, _FRAME = 1, 3, 6
_REFERENCES = 8  # frames that a decoder keeps
_HEADER_BYTES = 1024  # 32 operating points need 600
_SELECT = 2  # "each frame says for itself"
_SWITCH_FRAME, _KEY_FRAME = 3, 0


@dataclass(frozen=True, kw_only=True)
class _Sequence:
    """What a sequence header says, as far as it is needed.

    size, most           (width, height) of a frame that gives no size of its own, and at most of one that does, pixels
    bytes_per_pixel      of all planes
    copies               frames in memory for each one that is decoded: itself, before superres, with film grain
    still                whether its one frame has the reduced header, which cannot give a size
    timing_bits          of a field in the headers of frames that are shown
    screen_content, integer_mv, id_bits  likewise
    """

    size: tuple[int, int]
    most: tuple[int, int]
    bytes_per_pixel: float
    copies: int
    still: bool
    timing_bits: int
    screen_content: int
    integer_mv: int
    id_bits: int


@dataclass(frozen=True, kw_only=True)
class Stream:
    """What the first frames of a stream take.

    size             (width, height) of the largest, pixels
    bytes_per_pixel  of all planes
    needed           memory for all of them in a decoder, bytes at most
    """

    size: tuple[int, int]
    bytes_per_pixel: float
    needed: float


def read_stream(data: memoryview, steps: Steps) -> Stream | None:
    """What the headers of a stream say, up to where it is malformed; None where it has no frames, or is no AV1 at all.

    Raises TooManyParts.
    """
    frames: list[Stream] = []
    with contextlib.suppress(ValueError):  # a decoder ends there too
        frames.extend(_frames(data, steps))
    if not frames:
        return None
    largest = max(frames, key=lambda frame: frame.needed)
    return dataclasses.replace(largest, needed=largest.needed * min(len(frames), 1 + _REFERENCES))


def _frames(data: memoryview, steps: Steps) -> Iterator[Stream]:
    sequence: _Sequence | None = None
    for kind, payload in _units(data, steps):
        if kind == _SEQUENCE_HEADER:
            sequence = _read_sequence(_Bits(payload))
        elif kind in (_FRAME_HEADER, _FRAME) and sequence is not None:
            yield _frame(_Bits(payload), sequence)


def _frame(bits: _Bits, sequence: _Sequence) -> Stream:
    resized = not sequence.still and _gives_size(bits, sequence)
    width, height = sequence.most if resized else sequence.size
    # A quarter more, and 0.3 bytes a pixel, is what dav1d was measured to need beside the planes.
    each = 1.25 * sequence.copies * sequence.bytes_per_pixel + 0.3
    return Stream(size=(width, height), bytes_per_pixel=sequence.bytes_per_pixel, needed=width * height * each)


class _Bits:
    """Reads numbers bit by bit, the first bit being the highest."""

    def __init__(self, data: memoryview) -> None:
        start = bytes(data[:_HEADER_BYTES])
        self._value = int.from_bytes(start, "big")
        self._left = 8 * len(start)

    def read(self, count: int) -> int:
        """The next `count` bits; raises ValueError where they are not there."""
        self._left -= count
        if self._left < 0:
            raise ValueError("an AV1 header that ends too early")
        return self._value >> self._left & (1 << count) - 1

    def skip_unary(self) -> None:
        """A number of the kind `uvlc`."""
        zeros = 0
        while not self.read(1):
            zeros += 1
        if zeros < 32:
            self.read(zeros)


def _units(data: memoryview, steps: Steps) -> Iterator[tuple[int, memoryview]]:
    """Type and payload of each open bitstream unit (5.3); ends where one is malformed."""
    while data:
        steps.take()
        header, data = data[0], data[2 if data[0] & 4 else 1 :]
        size = len(data)
        if header & 2:
            size, length = _leb128(data)
            data = data[length:]
        if header & 128 or size > len(data):
            return
        yield header >> 3 & 15, data[:size]
        data = data[size:]


def _leb128(data: memoryview) -> tuple[int, int]:
    """A number (4.10.5), and how many bytes it has."""
    value = 0
    for place, byte in enumerate(data[:8]):
        value |= (byte & 127) << 7 * place
        if byte < 128:
            return value, place + 1
    raise ValueError("an AV1 unit without a size")


def _read_sequence(bits: _Bits) -> _Sequence:
    profile, _, still = bits.read(3), bits.read(1), bits.read(1) == 1
    timing_bits = 0
    if still:
        bits.read(5)
    else:
        timing_bits = _read_operating_points(bits)
    width_bits, height_bits = 1 + bits.read(4), 1 + bits.read(4)
    width, height = 1 + bits.read(width_bits), 1 + bits.read(height_bits)
    id_bits = 0
    if not still and bits.read(1):
        id_bits = bits.read(4) + 2
        id_bits += bits.read(3) + 1
    bits.read(3)  # 128 x 128, filter intra, intra edge
    screen_content = integer_mv = _SELECT
    if not still:
        bits.read(4)  # interintra, masked, warped, dual filter
        order_hint = bits.read(1)
        if order_hint:
            bits.read(2)
        screen_content = _SELECT if bits.read(1) else bits.read(1)
        if screen_content:
            integer_mv = _SELECT if bits.read(1) else bits.read(1)
        if order_hint:
            bits.read(3)
    superres = bits.read(1)
    bits.read(2)  # cdef, restoration
    bytes_per_pixel = _read_colours(bits, profile)
    return _Sequence(
        size=(width, height),
        most=(1 << width_bits, 1 << height_bits),
        bytes_per_pixel=bytes_per_pixel,
        copies=1 + superres + bits.read(1),
        still=still,
        timing_bits=timing_bits,
        screen_content=screen_content,
        integer_mv=integer_mv,
        id_bits=id_bits,
    )


def _read_operating_points(bits: _Bits) -> int:
    """From the timing information to the last operating point; returns how long a frame's presentation time is."""
    delay_bits = timing_bits = 0
    with_model = False
    if bits.read(1):
        bits.read(64)
        equal_interval = bits.read(1)
        if equal_interval:
            bits.skip_unary()
        with_model = bits.read(1) == 1
        if with_model:
            delay_bits = 1 + bits.read(5)
            bits.read(37)
            timing_bits = 1 + bits.read(5)
            if equal_interval:
                timing_bits = 0
    with_delay = bits.read(1)
    for _ in range(1 + bits.read(5)):
        bits.read(12)
        if bits.read(5) > 7:
            bits.read(1)
        if with_model and bits.read(1):
            bits.read(2 * delay_bits + 1)
        if with_delay and bits.read(1):
            bits.read(4)
    return timing_bits


def _read_colours(bits: _Bits, profile: int) -> float:
    """The colour configuration (5.5.2); returns how many bytes a pixel has in all planes."""
    deep = bits.read(1)
    twelve = profile == 2 and deep and bits.read(1)
    grey = profile != 1 and bits.read(1)
    description = (bits.read(8), bits.read(8), bits.read(8)) if bits.read(1) else (2, 2, 2)
    samples = 1.0
    if grey:
        bits.read(1)
    elif description == (1, 13, 0):  # sRGB as it is
        samples = 3.0
        bits.read(1)
    else:
        bits.read(1)
        across, down = {0: (1, 1), 1: (0, 0)}.get(profile, (1, 0))
        if twelve:
            across = bits.read(1)
            down = across and bits.read(1)
        samples += 2 / ((1 + across) * (1 + down))
        if across and down:
            bits.read(2)
        bits.read(1)
    return samples * (1 + deep)


def _gives_size(bits: _Bits, sequence: _Sequence) -> bool:
    """Whether a frame's header (5.9.2) gives a size of its own, which may be larger than the sequence's."""
    if bits.read(1):  # it shows an earlier frame again
        return False
    kind, shown = bits.read(2), bits.read(1)
    if shown:
        bits.read(sequence.timing_bits)
    else:
        bits.read(1)
    if kind != _SWITCH_FRAME and not (kind == _KEY_FRAME and shown):
        bits.read(1)  # error resilient
    bits.read(1)
    screen_content = bits.read(1) if sequence.screen_content == _SELECT else sequence.screen_content
    if screen_content and sequence.integer_mv == _SELECT:
        bits.read(1)
    bits.read(sequence.id_bits)
    return kind == _SWITCH_FRAME or bits.read(1) == 1
