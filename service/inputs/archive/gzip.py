"""A gzip file that is read at any place.

One pass from start to end remembers the state of the decompressor now and then (as zlib's example zran.c does); later
reads start at the last state before their place. Nothing is written to a disk. At most `_MOST_STATES` states of about
50 kB are kept: for a large file they are farther apart.
"""

from __future__ import annotations

import bisect
import threading
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.inputs.archive.limits import ArchiveLimits
from service.inputs.archive.pread import PreadFile
from service.inputs.errors import InputError

MAGIC = b"\x1f\x8b"
_CHUNK = 1 << 16
_FIRST_INTERVAL = 1 << 20
_MOST_STATES = 1_024
_GZIP = 31  # zlib's number for a gzip header and the largest window


@dataclass(frozen=True, kw_only=True)
class _State:
    """Where decompression can start: position in the unpacked and in the packed bytes, and the decompressor there."""

    unpacked: int
    packed: int
    inflater: Any


class _Cursor:
    """Decompresses from a state on.

    Attributes:
        unpacked: Position in the unpacked bytes.
    """

    def __init__(self, file: PreadFile, state: _State) -> None:
        self.unpacked = state.unpacked
        self._file = file
        self._packed = state.packed
        self._inflater = state.inflater.copy()
        self._pending = b""

    @property
    def packed(self) -> int:
        """Position in the packed bytes."""
        return self._packed - len(self._pending)

    def read(self, size: int) -> bytes:
        """Return 1 to `size` bytes; none at the end. Raises zlib.error or EOFError if the file is damaged."""
        while True:
            if not self._pending:
                self._pending = self._file.read_at(self._packed, _CHUNK)
                self._packed += len(self._pending)
            if self._inflater.eof and not self._next_member():
                return b""
            if not self._pending:
                raise EOFError("it is cut off")
            data: bytes = self._inflater.decompress(self._pending, size)
            self._pending = self._inflater.unused_data if self._inflater.eof else self._inflater.unconsumed_tail
            if data:
                self.unpacked += len(data)
                return data

    def state(self) -> _State | None:
        """The state now; None between two members."""
        if self._inflater.eof:
            return None
        return _State(unpacked=self.unpacked, packed=self.packed, inflater=self._inflater.copy())

    def _next_member(self) -> bool:
        """Start with the next member of the file, if there is one: what follows the last is ignored, as gzip does."""
        if len(self._pending) == 1:
            self._pending += self._file.read_at(self._packed, _CHUNK)
            self._packed += len(self._pending) - 1
        if not self._pending.startswith(MAGIC):
            return False
        self._inflater = zlib.decompressobj(_GZIP)
        return True


class GzipFile:
    """The unpacked bytes of a gzip file. Threads may share it."""

    def __init__(self, path: Path, limits: ArchiveLimits) -> None:
        self._path = path
        self._file = PreadFile(path)
        self._limits = limits
        self._states = [_State(unpacked=0, packed=0, inflater=zlib.decompressobj(_GZIP))]
        self._interval = _FIRST_INTERVAL
        self._is_finished = False
        self._local = threading.local()

    def read_at(self, offset: int, size: int) -> bytes:
        """Read `size` unpacked bytes at an offset, fewer at the end.

        Raises:
            InputError: The file is damaged, or unpacks to more than the limits allow.
        """
        cursor = self._cursor_before(offset)
        parts: list[bytes] = []
        try:
            while cursor.unpacked < offset:
                if not self._read(cursor, min(_CHUNK, offset - cursor.unpacked)):
                    return b""
            while size > 0 and (part := self._read(cursor, min(_CHUNK, size))):
                parts.append(part)
                size -= len(part)
        except (zlib.error, EOFError) as error:
            raise InputError(f"{self._path}: the archive is damaged ({error}); get it again.") from error
        return b"".join(parts)

    def finish(self) -> None:
        """End the pass that remembers states. Before this, only one thread may read."""
        self._is_finished = True

    def _read(self, cursor: _Cursor, size: int) -> bytes:
        data = cursor.read(size)
        self._limits.require_bytes(cursor.unpacked, packed=cursor.packed, path=self._path)
        if not self._is_finished and cursor.unpacked >= self._states[-1].unpacked + self._interval:
            self._remember(cursor.state())
        return data

    def _remember(self, state: _State | None) -> None:
        if state is not None:
            self._states.append(state)
        if len(self._states) > _MOST_STATES:
            self._states = self._states[::2]
            self._interval *= 2

    def _cursor_before(self, offset: int) -> _Cursor:
        """The cursor of this thread, if it is at or before the place and no state is nearer; else a new one."""
        states = self._states
        nearest = states[bisect.bisect_right(states, offset, key=lambda state: state.unpacked) - 1]
        cursor: _Cursor | None = getattr(self._local, "cursor", None)
        if cursor is None or not nearest.unpacked <= cursor.unpacked <= offset:
            cursor = self._local.cursor = _Cursor(self._file, nearest)
        return cursor
