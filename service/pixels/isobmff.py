"""Boxes of the ISO base media file format (ISO/IEC 14496-12), in which AVIF images are stored."""

from __future__ import annotations

from collections.abc import Iterator

# What stands before the boxes within this one: version and flags.
_BEFORE_CHILDREN = {b"meta": 4}


class TooManyParts(Exception):
    """A file of so many parts that looking at them takes long."""


class Steps:
    """How many boxes, items and units of one file are looked at; a stranger's may have millions."""

    def __init__(self, count: int) -> None:
        self._left = count

    def take(self) -> None:
        """One more; raises TooManyParts."""
        self._left -= 1
        if self._left < 0:
            raise TooManyParts("it has too many parts")


class MediaFile:
    """The boxes of a file, up to where one is malformed.

    Its methods raise TooManyParts, and ValueError for a table that is cut or unknown.
    """

    def __init__(self, data: bytes, steps: Steps) -> None:
        self._data = memoryview(data)
        self._steps = steps

    def items(self) -> Iterator[memoryview]:
        """The bytes of every item (8.11.3): of each image, tile and alpha plane, and of what is no image at all."""
        for meta in self._boxes(self._data, b"meta"):
            idat = next(self._boxes(meta[4:], b"idat"), memoryview(b""))
            for table in self._boxes(meta[4:], b"iloc"):
                yield from self._located(_Fields(table), (self._data, idat))

    def first_samples(self) -> Iterator[memoryview]:
        """The first sample of every track: the first frame of an animation, or of its alpha plane."""
        for table in self._boxes(self._data, b"moov", b"trak", b"mdia", b"minf", b"stbl"):
            for kind, width in ((b"stco", 4), (b"co64", 8)):
                for chunks in self._boxes(table, kind):
                    start = _Fields(chunks[8:]).read(width)
                    for sizes in self._boxes(table, b"stsz"):
                        fields = _Fields(sizes[4:])
                        same, _, first = fields.read(4), fields.read(4), fields.rest
                        yield self._data[start : start + (same or _Fields(first).read(4))]

    def _boxes(self, data: memoryview, kind: bytes, *within: bytes) -> Iterator[memoryview]:
        """The contents of every box of that kind, or of the kinds that follow inside it."""
        while len(data) >= 8:
            self._steps.take()
            fields = _Fields(data)
            size, found = fields.read(4), fields.read(4)
            if size == 1:
                size = fields.read(8)
            elif size == 0:  # up to the end
                size = len(data)
            header = len(data) - len(fields.rest)
            if size < header:
                return
            if found == int.from_bytes(kind, "big"):
                content = data[header:size]
                if within:
                    yield from self._boxes(content[_BEFORE_CHILDREN.get(kind, 0) :], *within)
                else:
                    yield content
            data = data[size:]

    def _located(self, fields: _Fields, sources: tuple[memoryview, memoryview]) -> Iterator[memoryview]:
        """The items of an `iloc` box, whose extents lie in the file or in the `idat` box."""
        version, _ = fields.read(1), fields.read(3)
        offset_bytes, length_bytes = divmod(fields.read(1), 16)
        base_bytes, index_bytes = divmod(fields.read(1), 16)
        if version > 2 or (version and index_bytes):
            raise ValueError("an iloc box of an unknown kind")
        id_bytes = 4 if version == 2 else 2
        joined = 0
        for _ in range(fields.read(id_bytes)):
            self._steps.take()
            fields.read(id_bytes)
            source = sources[min(1, fields.read(2) & 15 if version else 0)]
            fields.read(2)
            base = fields.read(base_bytes)
            parts = []
            for _ in range(fields.read(2)):
                self._steps.take()
                start = base + fields.read(offset_bytes)
                parts.append(source[start : start + fields.read(length_bytes)])
            if len(parts) == 1:
                yield parts[0]
                continue
            joined += sum(map(len, parts))
            if joined > len(self._data):
                raise TooManyParts("its parts lie over each other")
            yield memoryview(b"".join(parts))


class _Fields:
    """Reads big-endian numbers one after the other.

    rest  what was not read yet
    """

    def __init__(self, data: memoryview) -> None:
        self.rest = data

    def read(self, count: int) -> int:
        """A number of `count` bytes; raises ValueError where they are not there."""
        if count > len(self.rest):
            raise ValueError("a box that ends too early")
        value = int.from_bytes(self.rest[:count], "big")
        self.rest = self.rest[count:]
        return value
