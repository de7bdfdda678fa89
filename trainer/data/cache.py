"""Decode every image once, into a memory-mapped file of equal arrays that later runs find again.

A cache folder belongs to one PixelSpec and one version of Pillow. It holds

    pixels.u8     uint8 [slots, size, size, 3], appended to
    index.jsonl   one line per image: the SHA-256 of its content, and its slot and upright size, or why it has none

The folder itself is locked while it is filled.
An index line is written after its pixels are on the disk: whenever a process is killed, all that the index names is
complete.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt
import PIL

from service.pixels import DECODER_VERSION, ImageError, Limits, Picture, PixelSpec, UInt8Array, formats, load
from trainer.errors import CacheError
from trainer.progress import NoProgress, Progress

_IMAGES_PER_SYNC = 256
_IN_FLIGHT_PER_THREAD = 4


@dataclass(frozen=True)
class Decoding:
    """How images are decoded, and where the decoded images are kept.

    Attributes:
        cache: Folder of all caches, shared by all runs.
        threads: Images that are hashed or decoded at the same time.
        progress: Is advanced by every image.
    """

    cache: Path
    threads: int
    progress: Progress = field(default_factory=NoProgress)


class Original(NamedTuple):
    """What an image was before it became an array: its format by content, and its upright size in pixels."""

    format: str
    width: int
    height: int


@dataclass(frozen=True, kw_only=True, eq=False)
class PixelCache:
    """The decoded arrays of a sequence of images.

    Attributes:
        pixels: uint8 [slots, size, size, 3], memory-mapped: reading fills the page cache, not the process's memory.
        slots: int64 [N], position of each image in `pixels`; -1 if it could not be decoded.
        aspects: float32 [N], upright width / height.
        errors: Position of an image -> why it could not be decoded.
        originals: What each image was; empty if that is not known. An older cache does not know the formats.
    """

    pixels: UInt8Array
    slots: npt.NDArray[np.int64]
    aspects: npt.NDArray[np.float32]
    errors: dict[int, str]
    originals: tuple[Original, ...] = ()

    def __len__(self) -> int:
        return len(self.slots)

    def batch(self, positions: npt.NDArray[np.int64]) -> UInt8Array:
        """Copy the images at these positions: int64 [B] -> uint8 [B, size, size, 3]."""
        return self.pixels[self.slots[positions]]

    def select(self, positions: Sequence[int]) -> PixelCache:
        """Return some of the images, in the given order; `pixels` is shared."""
        indices = np.asarray(positions, dtype=np.int64)
        errors = {new: self.errors[old] for new, old in enumerate(positions) if old in self.errors}
        return PixelCache(
            pixels=self.pixels,
            slots=self.slots[indices],
            aspects=self.aspects[indices],
            errors=errors,
            originals=tuple(self.originals[old] for old in positions) if self.originals else (),
        )


def fill_cache(files: Sequence[tuple[str, Path]], spec: PixelSpec, decoding: Decoding) -> PixelCache:
    """Decode the images that the cache does not hold yet, and map all of them.

    Memory stays bounded by a few images per thread.

    Args:
        files: (SHA-256 of the content in hex, path) of every image. An image that the cache holds is not read.
        spec: How an image becomes an array. Each spec has its own folder in `decoding.cache`.
        decoding: Where and how.

    Returns:
        The images in the order of `files`; `errors` names those that cannot be decoded.

    Raises:
        CacheError: If the cache cannot be written, or a file cannot be read or has changed since it was hashed.
    """
    home = decoding.cache / _folder_name(spec)
    try:
        with _locked(home):
            entries = _read_index(home, spec)
            missing = {digest: path for digest, path in files if digest not in entries}
            decoding.progress.advance(len(files) - len(missing))
            # Held open until it is mapped: if the cache is deleted meanwhile, the name is gone, but not the content.
            with open(home / "pixels.u8", "a+b") as pixels, open(home / "index.jsonl", "ab") as index:
                writer = _Writer(pixels, index, entries)
                for digest, decoded in _decode(missing.items(), spec, decoding.threads):
                    writer.add(digest, decoded)
                    decoding.progress.advance(1)
                writer.sync()
                return _map(pixels, [writer.entries[digest] for digest, _ in files], writer.slot_count, spec)
    except OSError as error:
        raise CacheError(
            f"the image cache in {home} cannot be written ({error.strerror or error}); "
            "free space there, or give another folder as `cache`"
        ) from error


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


def _folder_name(spec: PixelSpec) -> str:
    """A name that changes with everything that decides what an image decodes to, or whether it does."""
    limits = Limits()  # those that `load` applies
    settings = {
        **spec.to_json(),
        "limits": [limits.max_pixels, limits.max_side_ratio],
        "formats": formats(),
        "decoder": [DECODER_VERSION, PIL.__version__],
    }
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    return f"{spec.mode}-{spec.size}-{digest[:8]}"


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    """Lock a cache folder; it is made if it does not exist, or was deleted while this process waited for the lock."""
    while True:
        home.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(home, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
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
    path, pixels = home / "index.jsonl", home / "pixels.u8"
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
            self._index.write(json.dumps({"sha256": digest, "entry": vars(entry)}).encode() + b"\n")
        self._index.flush()
        self.entries |= self._pending
        self._pending.clear()


def _decode(files: Iterable[tuple[str, Path]], spec: PixelSpec, threads: int) -> Iterator[tuple[str, Picture | str]]:
    """Yield (SHA-256, picture or why it cannot be decoded), in order, with a few images per thread in flight."""

    def decode(digest: str, path: Path) -> tuple[str, Picture | str]:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise CacheError(f"{path} cannot be read: {error.strerror}") from error
        if hashlib.sha256(data).hexdigest() != digest:
            raise CacheError(f"{path} was changed while it was being read; start again when it no longer changes")
        try:
            return digest, load(data, spec)
        except ImageError as error:
            return digest, str(error)

    waiting: list[Future[tuple[str, Picture | str]]] = []
    with ThreadPoolExecutor(threads, thread_name_prefix="decode") as pool:
        for digest, path in files:
            waiting.append(pool.submit(decode, digest, path))
            if len(waiting) >= _IN_FLIGHT_PER_THREAD * threads:
                yield waiting.pop(0).result()
        for future in waiting:
            yield future.result()


def _map(pixels: BinaryIO, entries: Sequence[_Entry], slot_count: int, spec: PixelSpec) -> PixelCache:
    shape = (slot_count, spec.size, spec.size, 3)
    return PixelCache(
        pixels=np.memmap(pixels, np.uint8, "r", shape=shape) if slot_count else np.empty(shape, np.uint8),
        slots=np.array([entry.slot for entry in entries], dtype=np.int64),
        aspects=np.array([entry.width / max(1, entry.height) for entry in entries], dtype=np.float32),
        errors={position: entry.error for position, entry in enumerate(entries) if entry.error is not None},
        originals=tuple(Original(sys.intern(entry.format), entry.width, entry.height) for entry in entries),
    )
