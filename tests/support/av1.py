"""AV1 streams of headers alone, written bit by bit: for what encoders at hand do not write."""

from __future__ import annotations

from dataclasses import dataclass

_SEQUENCE_HEADER, _FRAME = 1, 6


class _Bits:
    def __init__(self) -> None:
        self._text = ""

    def write(self, value: int, count: int = 1) -> None:
        self._text += f"{value:0{count}b}"[-count:] if count else ""

    def bytes(self) -> bytes:
        padded = self._text + "1" + "0" * (-(len(self._text) + 1) % 8)
        return int(padded, 2).to_bytes(len(padded) // 8, "big")


@dataclass(frozen=True, kw_only=True)
class Sequence:
    """A sequence header (AV1, 5.5.1), not that of a still picture; 4:2:0 of 8 bits, a thousand to a side of 1024.

    timed        with timing information, a decoder model and a delay for each of its operating points
    named        frames have numbers
    plain        no order hint; frames do not choose their screen content tools
    superres, grain  tools that need another frame
    """

    width: int = 1000
    height: int = 1000
    side_bits: int = 10
    timed: bool = False
    named: bool = False
    plain: bool = False
    superres: bool = False
    grain: bool = False

    def unit(self) -> bytes:
        """The open bitstream unit."""
        bits = _Bits()
        bits.write(0, 3 + 2)  # main profile, neither still nor reduced
        bits.write(self.timed)
        if self.timed:
            bits.write(1, 32)
            bits.write(25, 32)
            bits.write(0)
            bits.write(1)  # a decoder model
            bits.write(9, 5)
            bits.write(7, 32)
            bits.write(9, 5)
            bits.write(11, 5)  # presentation times of 12 bits
        bits.write(self.timed)
        bits.write(2, 5)  # three operating points
        for level in (0, 8, 31):
            bits.write(0, 12)
            bits.write(level, 5)
            if level > 7:
                bits.write(1)
            if self.timed:
                bits.write(1)
                bits.write(0, 10 + 10 + 1)
                bits.write(1)
                bits.write(3, 4)
        bits.write(self.side_bits - 1, 4)
        bits.write(self.side_bits - 1, 4)
        bits.write(self.width - 1, self.side_bits)
        bits.write(self.height - 1, self.side_bits)
        bits.write(self.named)
        if self.named:
            bits.write(2, 4)
            bits.write(5, 3)  # numbers of 10 bits
        bits.write(0, 3 + 4)
        bits.write(not self.plain)
        if not self.plain:
            bits.write(3, 2)
        bits.write(not self.plain)
        if self.plain:
            bits.write(0)
        else:
            bits.write(1)
            bits.write(6, 3)
        bits.write(self.superres)
        bits.write(0, 2)
        bits.write(0, 3)  # 8 bits, in colour, undescribed
        bits.write(0, 1 + 2 + 1)
        bits.write(self.grain)
        return unit(_SEQUENCE_HEADER, bits.bytes())

    def frame(self, *, kind: int = 0, shown: bool = True, resized: bool = False, again: bool = False) -> bytes:
        """A frame's unit, its header (5.9.2) up to whether it gives a size of its own; `again`: an earlier one."""
        bits = _Bits()
        bits.write(again)
        if not again:
            bits.write(kind, 2)
            bits.write(shown)
            if shown:
                bits.write(0, 12 * self.timed)
            else:
                bits.write(0)
            if not (kind == 0 and shown):
                bits.write(0)
            bits.write(0)
            if not self.plain:
                bits.write(1)
                bits.write(0)
            bits.write(0, 10 * self.named)
            bits.write(resized)
        return unit(_FRAME, bits.bytes())


def unit(kind: int, payload: bytes) -> bytes:
    """An open bitstream unit (5.3) that says its size."""
    assert len(payload) < 128
    return bytes([kind << 3 | 2, len(payload)]) + payload
