"""Decode every image once, into a memory-mapped file of equal arrays that later runs find again.

A cache folder belongs to one data set, one PixelSpec and one version of Pillow. It holds

    pixels.u8     uint8 [slots, size, size, 3], appended to
    index.jsonl   one line per image: the SHA-256 of its content, and its slot and upright size, or why it has none
    about.json    what it belongs to; see `housekeeping`

An index line is written after its pixels are on the disk: whenever a process is killed, all that the index names is
complete. An image that was decoded, but not kept, has a line without a slot.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import PIL

from service.pixels import DECODER_VERSION, Limits, Picture, PixelSpec, UInt8Array, formats
from trainer.data.housekeeping import INDEX, PIXELS, Lease, make_room, mark, remove_cache
from trainer.data.source import Original, select_originals
from trainer.decoding import decode_file
from trainer.errors import CacheError
from trainer.posix import lock
from trainer.progress import NoProgress, Progress

_IMAGES_PER_SYNC = 256
_IN_FLIGHT_PER_THREAD = 4
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_MAX_NAME = 40  # of the data set, in the name of its folder


@dataclass(frozen=True)
class Decoding:
    """How images are decoded, and where the decoded images are kept.

    Attributes:
        cache: Folder of all caches, shared by all runs.
        threads: Images that are hashed or decoded at the same time.
        progress: Is advanced by every image.
        max_bytes: Largest size of all caches together; None: a fifth of the disk that would be free without them.
        workers: Processes that decode what the cache has no room for; None: as many as `threads`.
    """

    cache: Path
    threads: int
    progress: Progress = field(default_factory=NoProgress)
    max_bytes: int | None = None
    workers: int | None = None


class CacheFull(Exception):
    """There is no room for the decoded images.

    Attributes:
        needed: Bytes that all of them take.
    """

    def __init__(self, reason: str, *, needed: int) -> None:
        super().__init__(reason)
        self.needed = needed


@dataclass(frozen=True, kw_only=True, eq=False)
class PixelCache:
    """The decoded arrays of a sequence of images.

    Attributes:
        pixels: uint8 [slots, size, size, 3], memory-mapped: reading fills the page cache, not the process's memory.
        slots: int64 [N], position of each image in `pixels`; -1 if it could not be decoded.
        aspects: float32 [N], upright width / height.
        errors: Position of an image -> why it could not be decoded.
        originals: What each image was; empty if that is not known. An older cache does not know the formats.
        lease: Keeps the file from being removed.
    """

    pixels: UInt8Array
    slots: npt.NDArray[np.int64]
    aspects: npt.NDArray[np.float32]
    errors: dict[int, str]
    originals: tuple[Original, ...] = ()
    lease: Lease | None = None

    @property
    def size(self) -> int:
        """Side of the images, pixels."""
        return int(self.pixels.shape[1])

    def __len__(self) -> int:
        return len(self.slots)

    def batch(self, positions: npt.NDArray[np.int64]) -> UInt8Array:
        """Copy the images at these positions: int64 [B] -> uint8 [B, size, size, 3]."""
        return self.pixels[self.slots[positions]]

    def prefetch(self, positions: Iterable[int]) -> None:
        """See `PixelSource`: there is nothing to do."""

    def select(self, positions: Sequence[int]) -> PixelCache:
        """Return some of the images, in the given order; `pixels` is shared."""
        indices = np.asarray(positions, dtype=np.int64)
        errors = {new: self.errors[old] for new, old in enumerate(positions) if old in self.errors}
        return replace(
            self,
            slots=self.slots[indices],
            aspects=self.aspects[indices],
            errors=errors,
            originals=select_originals(self.originals, positions),
        )


def fill_cache(
    files: Sequence[tuple[str, Path]], spec: PixelSpec, decoding: Decoding, *, data: Path | None = None
) -> PixelCache:
    """Decode the images that the cache does not hold yet, and map all of them.

    Memory stays bounded by a few images per thread.

    Args:
        files: (SHA-256 of the content in hex, path) of every image. An image that the cache holds is not read.
        spec: How an image becomes an array.
        decoding: Where and how. If there is no room, caches that nothing uses are removed, the oldest first.
        data: Folder of the data set. Each data set has its own folder in `decoding.cache`, for each spec.

    Returns:
        The images in the order of `files`; `errors` names those that cannot be decoded.

    Raises:
        CacheFull: There is no room for the images, or the disk is full.
        CacheError: If the cache cannot be written, or a file cannot be read or has changed since it was hashed.
    """
    home = decoding.cache / _folder_name(spec, data)
    digests = {digest for digest, _ in files}
    try:
        with _opened(home, spec, data) as opened:
            _require_room(opened, digests, spec, decoding)
            missing = {digest: path for digest, path in files if not opened.holds(digest)}
            decoding.progress.advance(len(files) - len(missing))
            # Held open until it is mapped: if the cache is deleted meanwhile, the name is gone, but not the content.
            with open(home / PIXELS, "a+b") as pixels, open(home / INDEX, "ab") as index:
                writer = _Writer(pixels, index, opened.entries)
                for digest, decoded in _decode(missing.items(), spec, decoding.threads):
                    writer.add(digest, decoded)
                    decoding.progress.advance(1)
                writer.sync()
                entries = [writer.entries[digest] for digest, _ in files]
                return _map(pixels, entries, writer.slot_count, spec, opened.lease)
    except OSError as error:
        reason = (
            f"the image cache in {home} cannot be written ({error.strerror or error}); "
            "free space there, or give another folder as `cache`"
        )
        if error.errno in _NO_SPACE or decoding.max_bytes == 0:
            remove_cache(home)  # the run itself needs the space
            raise CacheFull(
                f"the cache cannot be written, {error.strerror}", needed=len(digests) * spec.size * spec.size * 3
            ) from error
        raise CacheError(reason) from error


@dataclass(frozen=True, kw_only=True)
class Inspected:
    """Images that were decoded once and not kept.

    Attributes:
        aspects: float32 [N], upright width / height.
        errors: Position of an image -> why it could not be decoded.
        originals: What each image was.
    """

    aspects: npt.NDArray[np.float32]
    errors: dict[int, str]
    originals: tuple[Original, ...] = ()


def inspect_images(
    files: Sequence[tuple[str, Path]], spec: PixelSpec, decoding: Decoding, *, data: Path | None = None
) -> Inspected:
    """Find out which images can be decoded, and their shapes. The cache remembers this, if the disk has room for it.

    Args:
        files: See `fill_cache`.
        spec: See `fill_cache`.
        decoding: See `fill_cache`.
        data: See `fill_cache`.

    Raises:
        CacheError: A file cannot be read or has changed since it was hashed.
    """
    home = decoding.cache / _folder_name(spec, data)
    known: dict[str, _Entry] = {}
    with suppress(OSError), _opened(home, spec, data) as opened:
        known = opened.entries
    missing = {digest: path for digest, path in files if digest not in known}
    decoding.progress.advance(len(files) - len(missing))
    found: dict[str, _Entry] = {}
    for digest, decoded in _decode(missing.items(), spec, decoding.threads):
        if isinstance(decoded, Picture):
            found[digest] = _Entry(width=decoded.width, height=decoded.height, format=decoded.format)
        else:
            found[digest] = _Entry(error=decoded)
        decoding.progress.advance(1)
    with suppress(OSError), _opened(home, spec, data) as opened, open(home / INDEX, "ab") as index:
        for digest in found.keys() - opened.entries.keys():
            index.write(_index_line(digest, found[digest]))
    entries = [{**known, **found}[digest] for digest, _ in files]
    return Inspected(aspects=_aspects(entries), errors=_errors(entries), originals=_originals(entries))


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """An image in the index: its slot and upright size in pixels, or the reason why it has no pixels.

    The names are those of the keys in index.jsonl.
    """

    slot: int = -1
    width: int = 0
    height: int = 0
    format: str = ""
    error: str | None = None


@dataclass
class _OpenedCache:
    """A cache that is locked to be filled.

    Attributes:
        entries: SHA-256 -> entry.
        lease: Keeps it from being removed.
    """

    home: Path
    entries: dict[str, _Entry]
    lease: Lease

    def holds(self, digest: str) -> bool:
        """Whether the pixels of an image are there, or the reason why it has none."""
        entry = self.entries.get(digest)
        return entry is not None and (entry.slot >= 0 or entry.error is not None)

    def forget(self) -> None:
        """Empty the cache."""
        for name in (INDEX, PIXELS):
            (self.home / name).unlink(missing_ok=True)
        self.entries.clear()


@contextmanager
def _opened(home: Path, spec: PixelSpec, data: Path | None) -> Iterator[_OpenedCache]:
    with _locked(home):
        lease = Lease(home)
        try:
            mark(home, data=data, pixels=f"{spec.mode} {spec.size}")
            yield _OpenedCache(home, _read_index(home, spec), lease)
        except BaseException:
            lease.release()
            raise


def _require_room(opened: _OpenedCache, digests: Collection[str], spec: PixelSpec, decoding: Decoding) -> None:
    """Make room for the images that are missing; raises CacheFull if that is impossible."""
    per_image = spec.size * spec.size * 3
    missing = sum(not opened.holds(digest) for digest in digests)
    has_room = make_room(decoding.cache, missing * per_image, decoding.max_bytes)
    if has_room or not missing:
        return
    outdated = _slot_count(opened.entries) > len(digests) - missing
    if outdated and opened.lease.is_only():
        opened.forget()
        if make_room(decoding.cache, len(digests) * per_image, decoding.max_bytes):
            return
    raise CacheFull("the cache has no room for them", needed=len(digests) * per_image)


def _folder_name(spec: PixelSpec, data: Path | None) -> str:
    """A name that changes with the data set, and with all that decides what an image decodes to, or whether it does."""
    limits = Limits()  # those that `load` applies
    settings = {
        **spec.to_json(),
        "limits": [limits.max_pixels, limits.max_side_ratio],
        "formats": formats(),
        "decoder": [DECODER_VERSION, PIL.__version__],
    }
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    root = hashlib.sha256(os.fsencode(data or "")).hexdigest()
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", data.name if data else "")[:_MAX_NAME].strip("-") or "images"
    return f"{name}-{root[:8]}-{spec.mode}-{spec.size}-{digest[:8]}"


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    """Lock a cache folder; it is made if it does not exist, or was deleted while this process waited for the lock."""
    while True:
        home.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(home, os.O_RDONLY)
        try:
            lock(descriptor)
            if not _is_same_folder(home, descriptor):
                continue
            yield
            return
        finally:
            os.close(descriptor)


def _is_same_folder(home: Path, descriptor: int) -> bool:
    """Whether the folder of this name is still the one that was opened."""
    try:
        return os.path.samestat(os.fstat(descriptor), home.stat())
    except FileNotFoundError:
        return False


def _read_index(home: Path, spec: PixelSpec) -> dict[str, _Entry]:
    """Read the complete entries by SHA-256; cut off what a killed process left behind them, in both files."""
    entries: dict[str, _Entry] = {}
    complete_bytes = 0
    path, pixels = home / INDEX, home / PIXELS
    bytes_per_image = spec.size * spec.size * 3
    slot_count = pixels.stat().st_size // bytes_per_image if pixels.exists() else 0
    if path.exists():
        with open(path, "rb") as file:
            for line in file:
                try:
                    values = json.loads(line)
                    entry = _Entry(**values["entry"])
                except (ValueError, KeyError, TypeError):
                    break
                if entry.slot >= slot_count or not line.endswith(b"\n"):
                    break
                entries[values["sha256"]] = entry
                complete_bytes += len(line)
        os.truncate(path, complete_bytes)
    if pixels.exists():
        os.truncate(pixels, _slot_count(entries) * bytes_per_image)
    return entries


def _slot_count(entries: Mapping[str, _Entry]) -> int:
    return sum(entry.slot >= 0 for entry in entries.values())


class _Writer:
    """Appends images to the two files of a cache folder.

    Attributes:
        entries: SHA-256 -> entry, of all images whose pixels and index line are written.
        slot_count: Arrays in the pixels file.
    """

    def __init__(self, pixels: BinaryIO, index: BinaryIO, entries: dict[str, _Entry]) -> None:
        self.entries = entries
        self._pixels = pixels
        self._index = index
        self._pending: dict[str, _Entry] = {}
        self.slot_count = _slot_count(entries)

    def add(self, digest: str, decoded: Picture | str) -> None:
        """Append an image, or the reason why it cannot be decoded; now and then `sync`."""
        if isinstance(decoded, Picture):
            self._pixels.write(decoded.pixels.tobytes())
            self._pending[digest] = _Entry(
                slot=self.slot_count, width=decoded.width, height=decoded.height, format=decoded.format
            )
            self.slot_count += 1
        else:
            self._pending[digest] = _Entry(error=decoded)
        if len(self._pending) >= _IMAGES_PER_SYNC:
            self.sync()

    def sync(self) -> None:
        """Sync the pixels to the disk, then name them in the index."""
        self._pixels.flush()
        os.fsync(self._pixels.fileno())
        for digest, entry in self._pending.items():
            self._index.write(_index_line(digest, entry))
        self._index.flush()
        self.entries |= self._pending
        self._pending.clear()


def _decode(files: Iterable[tuple[str, Path]], spec: PixelSpec, threads: int) -> Iterator[tuple[str, Picture | str]]:
    """Yield (SHA-256, picture or why it cannot be decoded), in order, with a few images per thread in flight."""

    def decode(digest: str, path: Path) -> tuple[str, Picture | str]:
        return digest, decode_file(path, digest, spec)

    waiting: list[Future[tuple[str, Picture | str]]] = []
    with ThreadPoolExecutor(threads, thread_name_prefix="decode") as pool:
        for digest, path in files:
            waiting.append(pool.submit(decode, digest, path))
            if len(waiting) >= _IN_FLIGHT_PER_THREAD * threads:
                yield waiting.pop(0).result()
        for future in waiting:
            yield future.result()


def _index_line(digest: str, entry: _Entry) -> bytes:
    return json.dumps({"sha256": digest, "entry": vars(entry)}).encode() + b"\n"


def _map(pixels: BinaryIO, entries: Sequence[_Entry], slot_count: int, spec: PixelSpec, lease: Lease) -> PixelCache:
    shape = (slot_count, spec.size, spec.size, 3)
    return PixelCache(
        pixels=np.memmap(pixels, np.uint8, "r", shape=shape) if slot_count else np.empty(shape, np.uint8),
        slots=np.array([entry.slot for entry in entries], dtype=np.int64),
        aspects=_aspects(entries),
        errors=_errors(entries),
        originals=_originals(entries),
        lease=lease,
    )


def _aspects(entries: Sequence[_Entry]) -> npt.NDArray[np.float32]:
    return np.array([entry.width / max(1, entry.height) for entry in entries], dtype=np.float32)


def _originals(entries: Sequence[_Entry]) -> tuple[Original, ...]:
    return tuple(Original(sys.intern(entry.format), entry.width, entry.height) for entry in entries)


def _errors(entries: Sequence[_Entry]) -> dict[int, str]:
    return {position: entry.error for position, entry in enumerate(entries) if entry.error is not None}
