"""Read boxes of the ISO base media file format (ISO/IEC 14496-12), which is the container of AVIF images."""

from __future__ import annotations

from collections.abc import Iterator

# Bytes before the first child of a box: version and flags.
_BYTES_BEFORE_CHILDREN = {b"meta": 4}


class TooManyParts(Exception):
    """The file has so many parts that reading them takes too long."""


class PartBudget:
    """Limits how many boxes, items and units of one file are read. A hostile file may have millions.

    Args:
        max_parts: How many parts may be read.
    """

    def __init__(self, max_parts: int) -> None:
        self._left = max_parts

    def spend(self) -> None:
        """Count one part; raise TooManyParts if none is left."""
        self._left -= 1
        if self._left < 0:
            raise TooManyParts("it has too many parts")


class MediaFile:
    """The boxes of a file, up to the first malformed one.

    The methods raise TooManyParts, or ValueError for a table that is cut off or of an unknown version.

    Args:
        data: The file.
        budget: Shared by everything that reads this file.
    """

    def __init__(self, data: bytes, budget: PartBudget) -> None:
        self._data = memoryview(data)
        self._budget = budget

    def items(self) -> Iterator[memoryview]:
        """Yield the bytes of every item (8.11.3): images, tiles, alpha planes, and items that are not images."""
        for meta in self._boxes(self._data, b"meta"):
            idat = next(self._boxes(meta[4:], b"idat"), memoryview(b""))
            for table in self._boxes(meta[4:], b"iloc"):
                yield from self._located_items(_ByteReader(table), (self._data, idat))

    def first_samples(self) -> Iterator[memoryview]:
        """Yield the first sample of every track: the first frame of an animation, or of its alpha plane."""
        for table in self._boxes(self._data, b"moov", b"trak", b"mdia", b"minf", b"stbl"):
            for kind, offset_bytes in ((b"stco", 4), (b"co64", 8)):
                for chunks in self._boxes(table, kind):
                    start = _ByteReader(chunks[8:]).read(offset_bytes)
                    for sizes in self._boxes(table, b"stsz"):
                        reader = _ByteReader(sizes[4:])
                        common_size, _, first = reader.read(4), reader.read(4), reader.rest
                        yield self._data[start : start + (common_size or _ByteReader(first).read(4))]

    def _boxes(self, data: memoryview, kind: bytes, *inner: bytes) -> Iterator[memoryview]:
        """Yield the content of every box of this kind or, with `inner`, of the last kind on that path of children."""
        while len(data) >= 8:
            self._budget.spend()
            reader = _ByteReader(data)
            size, found = reader.read(4), reader.read(4)
            if size == 1:
                size = reader.read(8)
            elif size == 0:  # up to the end
                size = len(data)
            header = len(data) - len(reader.rest)
            if size < header:
                return
            if found == int.from_bytes(kind, "big"):
                content = data[header:size]
                if inner:
                    yield from self._boxes(content[_BYTES_BEFORE_CHILDREN.get(kind, 0) :], *inner)
                else:
                    yield content
            data = data[size:]

    def _located_items(self, reader: _ByteReader, sources: tuple[memoryview, memoryview]) -> Iterator[memoryview]:
        """Yield the items of an `iloc` box. Their extents are in the file or in the `idat` box."""
        version, _ = reader.read(1), reader.read(3)
        offset_bytes, length_bytes = divmod(reader.read(1), 16)
        base_bytes, index_bytes = divmod(reader.read(1), 16)
        if version > 2 or (version and index_bytes):
            raise ValueError("an iloc box of an unknown version")
        id_bytes = 4 if version == 2 else 2
        joined_bytes = 0
        for _ in range(reader.read(id_bytes)):
            self._budget.spend()
            reader.read(id_bytes)
            source = sources[min(1, reader.read(2) & 15 if version else 0)]
            reader.read(2)
            base = reader.read(base_bytes)
            extents = []
            for _ in range(reader.read(2)):
                self._budget.spend()
                start = base + reader.read(offset_bytes)
                extents.append(source[start : start + reader.read(length_bytes)])
            if len(extents) == 1:
                yield extents[0]
                continue
            # Overlapping extents could be joined to more bytes than the file has.
            joined_bytes += sum(map(len, extents))
            if joined_bytes > len(self._data):
                raise TooManyParts("its parts overlap")
            yield memoryview(b"".join(extents))


class _ByteReader:
    """Reads big-endian numbers one after the other. `rest` is what was not read yet."""

    def __init__(self, data: memoryview) -> None:
        self.rest = data

    def read(self, count: int) -> int:
        """Read a number of `count` bytes; raise ValueError if there are fewer."""
        if count > len(self.rest):
            raise ValueError("a box that ends too early")
        value = int.from_bytes(self.rest[:count], "big")
        self.rest = self.rest[count:]
        return value
