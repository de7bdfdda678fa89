"""Read the headers of an AV1 stream to find how much memory its frames take, before a decoder allocates anything.

Follows the AV1 Bitstream & Decoding Process Specification, sections 5.3 to 5.9; names of fields are its names. An AVIF
file declares the size of its image in a box, but libavif decodes frames of any size and scales them to the declared
one. So only the stream shows what decoding costs.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from service.pixels.isobmff import PartBudget

_OBU_SEQUENCE_HEADER = 1
_OBU_FRAME_HEADER = 3
_OBU_FRAME = 6
_KEY_FRAME = 0
_SWITCH_FRAME = 3
_REFERENCE_FRAMES = 8  # frames that a decoder keeps
_MAX_HEADER_BYTES = 1024  # 32 operating points need 600
_SELECT = 2  # value of two fields: each frame decides


@dataclass(frozen=True, kw_only=True)
class _SequenceHeader:
    """The fields of a sequence header (5.5) that are needed here.

    Attributes:
        size: Width and height of a frame whose header gives no size, pixels.
        max_size: Largest width and height that a frame's header can give, pixels.
        bytes_per_pixel: Of all planes together.
        buffers_per_frame: Copies of each decoded frame in memory: the frame, and one each for superres and film grain.
        reduced_header: Whether this is a still picture with the reduced header, which cannot give a size.
        presentation_time_bits: Length of a field in the headers of frames that are shown.
        screen_content_tools: 0, 1 or `_SELECT`.
        integer_mv: 0, 1 or `_SELECT`.
        frame_id_bits: Length of a frame's number, 0 if frames have none.
    """

    size: tuple[int, int]
    max_size: tuple[int, int]
    bytes_per_pixel: float
    buffers_per_frame: int
    reduced_header: bool
    presentation_time_bits: int
    screen_content_tools: int
    integer_mv: int
    frame_id_bits: int


@dataclass(frozen=True, kw_only=True)
class StreamInfo:
    """The cost of the frames of a stream.

    Attributes:
        size: Width and height of the most expensive frame, pixels.
        bytes_per_pixel: Of all planes together.
        decoder_bytes: Most memory that all frames take in a decoder.
    """

    size: tuple[int, int]
    bytes_per_pixel: float
    decoder_bytes: float


def read_stream_info(data: memoryview, budget: PartBudget) -> StreamInfo | None:
    """Read the headers of a stream, up to the first malformed one.

    Returns:
        The cost of the frames; None if there are none, or if the bytes are not an AV1 stream.

    Raises:
        TooManyParts: The stream has more units than the budget allows.
    """
    frames: list[StreamInfo] = []
    with contextlib.suppress(ValueError):  # a decoder stops there too
        frames.extend(_frames(data, budget))
    if not frames:
        return None
    largest = max(frames, key=lambda frame: frame.decoder_bytes)
    in_memory = min(len(frames), 1 + _REFERENCE_FRAMES)
    return dataclasses.replace(largest, decoder_bytes=largest.decoder_bytes * in_memory)


def _frames(data: memoryview, budget: PartBudget) -> Iterator[StreamInfo]:
    sequence: _SequenceHeader | None = None
    for kind, payload in _obus(data, budget):
        if kind == _OBU_SEQUENCE_HEADER:
            sequence = _read_sequence_header(_BitReader(payload))
        elif kind in (_OBU_FRAME_HEADER, _OBU_FRAME) and sequence is not None:
            yield _frame(_BitReader(payload), sequence)


def _frame(bits: _BitReader, sequence: _SequenceHeader) -> StreamInfo:
    resized = not sequence.reduced_header and _overrides_size(bits, sequence)
    width, height = sequence.max_size if resized else sequence.size
    # Measured: dav1d needs a quarter more than the planes, and 0.3 bytes per pixel.
    decoder_bytes_per_pixel = 1.25 * sequence.buffers_per_frame * sequence.bytes_per_pixel + 0.3
    return StreamInfo(
        size=(width, height),
        bytes_per_pixel=sequence.bytes_per_pixel,
        decoder_bytes=width * height * decoder_bytes_per_pixel,
    )


class _BitReader:
    """Reads numbers bit by bit, highest bit first."""

    def __init__(self, data: memoryview) -> None:
        start = bytes(data[:_MAX_HEADER_BYTES])
        self._value = int.from_bytes(start, "big")
        self._left = 8 * len(start)

    def read(self, count: int) -> int:
        """Read a number of `count` bits; raise ValueError if there are fewer."""
        self._left -= count
        if self._left < 0:
            raise ValueError("an AV1 header that ends too early")
        return self._value >> self._left & (1 << count) - 1

    def skip_unary(self) -> None:
        """Skip a number of type `uvlc` (4.10.3)."""
        zeros = 0
        while not self.read(1):
            zeros += 1
        if zeros < 32:
            self.read(zeros)


def _obus(data: memoryview, budget: PartBudget) -> Iterator[tuple[int, memoryview]]:
    """Yield type and payload of each open bitstream unit (OBU, 5.3), up to the first malformed one."""
    while data:
        budget.spend()
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
    """Return the number at the start (4.10.5), and how many bytes it takes."""
    value = 0
    for index, byte in enumerate(data[:8]):
        value |= (byte & 127) << 7 * index
        if byte < 128:
            return value, index + 1
    raise ValueError("an AV1 unit without a size")


def _read_sequence_header(bits: _BitReader) -> _SequenceHeader:
    profile, _, reduced_header = bits.read(3), bits.read(1), bits.read(1) == 1
    presentation_time_bits = 0
    if reduced_header:
        bits.read(5)
    else:
        presentation_time_bits = _read_operating_points(bits)
    width_bits, height_bits = 1 + bits.read(4), 1 + bits.read(4)
    width, height = 1 + bits.read(width_bits), 1 + bits.read(height_bits)
    frame_id_bits = 0
    if not reduced_header and bits.read(1):
        frame_id_bits = bits.read(4) + 2
        frame_id_bits += bits.read(3) + 1
    bits.read(3)  # 128 x 128, filter intra, intra edge
    screen_content_tools = integer_mv = _SELECT
    if not reduced_header:
        bits.read(4)  # interintra, masked, warped, dual filter
        order_hint = bits.read(1)
        if order_hint:
            bits.read(2)
        screen_content_tools = _SELECT if bits.read(1) else bits.read(1)
        if screen_content_tools:
            integer_mv = _SELECT if bits.read(1) else bits.read(1)
        if order_hint:
            bits.read(3)
    superres = bits.read(1)
    bits.read(2)  # cdef, restoration
    bytes_per_pixel = _read_color_config(bits, profile)
    return _SequenceHeader(
        size=(width, height),
        max_size=(1 << width_bits, 1 << height_bits),
        bytes_per_pixel=bytes_per_pixel,
        buffers_per_frame=1 + superres + bits.read(1),
        reduced_header=reduced_header,
        presentation_time_bits=presentation_time_bits,
        screen_content_tools=screen_content_tools,
        integer_mv=integer_mv,
        frame_id_bits=frame_id_bits,
    )


def _read_operating_points(bits: _BitReader) -> int:
    """Read from the timing information to the last operating point; return the length of a presentation time."""
    delay_bits = presentation_time_bits = 0
    has_decoder_model = False
    if bits.read(1):
        bits.read(64)
        equal_interval = bits.read(1)
        if equal_interval:
            bits.skip_unary()
        has_decoder_model = bits.read(1) == 1
        if has_decoder_model:
            delay_bits = 1 + bits.read(5)
            bits.read(37)
            presentation_time_bits = 1 + bits.read(5)
            if equal_interval:
                presentation_time_bits = 0
    has_display_delay = bits.read(1)
    for _ in range(1 + bits.read(5)):
        bits.read(12)
        if bits.read(5) > 7:
            bits.read(1)
        if has_decoder_model and bits.read(1):
            bits.read(2 * delay_bits + 1)
        if has_display_delay and bits.read(1):
            bits.read(4)
    return presentation_time_bits


def _read_color_config(bits: _BitReader, profile: int) -> float:
    """Read the colour configuration (5.5.2); return the bytes per pixel of all planes together."""
    high_bitdepth = bits.read(1)
    twelve_bit = profile == 2 and high_bitdepth and bits.read(1)
    monochrome = profile != 1 and bits.read(1)
    description = (bits.read(8), bits.read(8), bits.read(8)) if bits.read(1) else (2, 2, 2)
    samples = 1.0
    if monochrome:
        bits.read(1)
    elif description == (1, 13, 0):  # sRGB, not converted to YCbCr
        samples = 3.0
        bits.read(1)
    else:
        bits.read(1)
        subsampling_x, subsampling_y = {0: (1, 1), 1: (0, 0)}.get(profile, (1, 0))
        if twelve_bit:
            subsampling_x = bits.read(1)
            subsampling_y = subsampling_x and bits.read(1)
        samples += 2 / ((1 + subsampling_x) * (1 + subsampling_y))
        if subsampling_x and subsampling_y:
            bits.read(2)
        bits.read(1)
    return samples * (1 + high_bitdepth)


def _overrides_size(bits: _BitReader, sequence: _SequenceHeader) -> bool:
    """Return whether a frame's header (5.9.2) gives a size of its own, which may be larger than the sequence's."""
    if bits.read(1):  # show_existing_frame: an earlier frame again
        return False
    kind, shown = bits.read(2), bits.read(1)
    if shown:
        bits.read(sequence.presentation_time_bits)
    else:
        bits.read(1)
    if kind != _SWITCH_FRAME and not (kind == _KEY_FRAME and shown):
        bits.read(1)  # error_resilient_mode
    bits.read(1)
    screen_content_tools = bits.read(1) if sequence.screen_content_tools == _SELECT else sequence.screen_content_tools
    if screen_content_tools and sequence.integer_mv == _SELECT:
        bits.read(1)
    bits.read(sequence.frame_id_bits)
    return kind == _SWITCH_FRAME or bits.read(1) == 1
