"""Decodes every image once, into a memory-mapped file of equal arrays that later runs find again.

A cache folder holds, for one PixelSpec and one Pillow,

    pixels.u8     uint8 [slots, size, size, 3], appended to
    index.jsonl   one line an image: its content's SHA-256 and its slot and upright size, or why it has none

The folder itself is locked while it is filled.
An index line is written after its pixels are on the disk, so whatever is killed when, what the index names is whole.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import PIL

from service.pixels import DECODER_VERSION, ImageError, Limits, Picture, PixelSpec, UInt8Array, formats, load
from trainer.errors import CacheError

_RECORDS_A_SYNC = 256


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """An image in the index: its slot and upright size in pixels, or the reason why it has no pixels."""

    slot: int = -1
    width: int = 0
    height: int = 0
    error: str | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class PixelCache:
    """The arrays of a sequence of images, in its order.

    pixels   uint8 [slots, size, size, 3], memory-mapped: reading costs page cache, not process memory
    slots    int64 [N], where each image lies; -1 for one that could not be decoded
    aspects  float32 [N], upright width / height
    errors   position -> why it could not be decoded
    """

    pixels: UInt8Array
    slots: npt.NDArray[np.int64]
    aspects: npt.NDArray[np.float32]
    errors: dict[int, str]

    def __len__(self) -> int:
        return len(self.slots)

    def batch(self, positions: npt.NDArray[np.int64]) -> UInt8Array:
        """Copy the images at these positions: int64 [B] -> uint8 [B, size, size, 3]."""
        return self.pixels[self.slots[positions]]

    def take(self, positions: Sequence[int]) -> PixelCache:
        """The cache of some of the images, in the given order; shares the arrays."""
        kept = np.asarray(positions, dtype=np.int64)
        errors = {new: self.errors[old] for new, old in enumerate(positions) if old in self.errors}
        return PixelCache(pixels=self.pixels, slots=self.slots[kept], aspects=self.aspects[kept], errors=errors)


def fill_cache(
    folder: Path,
    files: Sequence[tuple[str, Path]],
    *,
    spec: PixelSpec,
    threads: int,
    limits: Limits | None = None,
    on_progress: Callable[[int], None] = lambda _: None,
) -> PixelCache:
    """Decode what the cache does not hold yet, and map it.

    folder       the root of all caches; this one lies in a folder named for its settings
    files        (SHA-256 of the content in hex, path) of every image
    on_progress  called with the number of images done since the last call

    Memory stays bounded by a few images a thread. Images that cannot be decoded are in `errors`. Raises CacheError
    where the cache cannot be written.
    """
    home = folder / _name(spec, limits or Limits())
    try:
        with _locked(home):
            index = _read_index(home, spec)
            missing = {digest: path for digest, path in files if digest not in index}
            on_progress(len(files) - len(missing))
            # Held open until it is mapped: whoever deletes the cache meanwhile takes its name, not its content.
            with open(home / "pixels.u8", "a+b") as pixels:
                slot_count = len(_slots_of(index))
                index |= _append(home, pixels, missing, slot_count, spec, limits, threads, on_progress)
                return _map(pixels, files, index, spec)
    except OSError as error:
        raise CacheError(
            f"the image cache in {home} cannot be written ({error.strerror or error}); "
            "free space there, or name another folder with --cache"
        ) from error


def _name(spec: PixelSpec, limits: Limits) -> str:
    """A folder for everything that decides what an image decodes to, or that it does not."""
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
    """Hold a cache folder; one that is not there, or was deleted while we waited for it, is made."""
    while True:
        home.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(home, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if not _is_still(home, descriptor):
                continue
            yield
            return
        finally:
            os.close(descriptor)


def _is_still(home: Path, descriptor: int) -> bool:
    """Whether the folder of this name is the one that was opened."""
    try:
        return os.path.samestat(os.fstat(descriptor), home.stat())
    except FileNotFoundError:
        return False


def _record_bytes(spec: PixelSpec) -> int:
    return spec.size * spec.size * 3


def _slots_of(index: dict[str, _Entry]) -> list[int]:
    return [entry.slot for entry in index.values() if entry.slot >= 0]


def _read_index(home: Path, spec: PixelSpec) -> dict[str, _Entry]:
    """What is whole; cuts off what a killed process left behind it."""
    index: dict[str, _Entry] = {}
    whole_bytes = 0
    path, pixels = home / "index.jsonl", home / "pixels.u8"
    slots = pixels.stat().st_size // _record_bytes(spec) if pixels.exists() else 0
    if path.exists():
        with open(path, "rb") as file:
            for line in file:
                try:
                    values = json.loads(line)
                    entry = _Entry(**values["entry"])
                except (ValueError, KeyError, TypeError):
                    break
                if entry.slot >= slots or not line.endswith(b"\n"):
                    break
                index[values["sha256"]] = entry
                whole_bytes += len(line)
        os.truncate(path, whole_bytes)
    if pixels.exists():
        os.truncate(pixels, len(_slots_of(index)) * _record_bytes(spec))
    return index


def _append(
    home: Path,
    pixels: BinaryIO,
    missing: dict[str, Path],
    next_slot: int,
    spec: PixelSpec,
    limits: Limits | None,
    threads: int,
    on_progress: Callable[[int], None],
) -> dict[str, _Entry]:
    added: dict[str, _Entry] = {}
    pending: dict[str, _Entry] = {}
    with open(home / "index.jsonl", "ab") as lines:
        for digest, result in _decode(missing.items(), spec, limits, threads):
            if isinstance(result, Picture):
                pixels.write(result.pixels.tobytes())
                pending[digest] = _Entry(slot=next_slot, width=result.width, height=result.height)
                next_slot += 1
            else:
                pending[digest] = _Entry(error=result)
            on_progress(1)
            if len(pending) >= _RECORDS_A_SYNC:
                added |= _commit(pending, pixels, lines)
        added |= _commit(pending, pixels, lines)
    return added


def _commit(pending: dict[str, _Entry], pixels: BinaryIO, lines: BinaryIO) -> dict[str, _Entry]:
    """Sync the pixels, then name them in the index; empties `pending` and returns what was in it."""
    pixels.flush()
    os.fsync(pixels.fileno())
    for digest, entry in pending.items():
        lines.write(json.dumps({"sha256": digest, "entry": vars(entry)}).encode() + b"\n")
    lines.flush()
    committed = dict(pending)
    pending.clear()
    return committed


def _decode(
    files: Iterable[tuple[str, Path]], spec: PixelSpec, limits: Limits | None, threads: int
) -> Iterator[tuple[str, Picture | str]]:
    """(digest, picture or error), in order, with a few images a thread in flight."""

    def decode(digest: str, path: Path) -> tuple[str, Picture | str]:
        try:
            try:
                data = path.read_bytes()
            except OSError as error:
                raise CacheError(f"{path} cannot be read: {error.strerror}") from error
            if hashlib.sha256(data).hexdigest() != digest:
                raise CacheError(f"{path} was changed while it was being read; start again when it is still")
            return digest, load(data, spec, limits=limits)
        except ImageError as error:
            return digest, str(error)

    waiting: list[Future[tuple[str, Picture | str]]] = []
    with ThreadPoolExecutor(threads, thread_name_prefix="decode") as pool:
        for digest, path in files:
            waiting.append(pool.submit(decode, digest, path))
            if len(waiting) >= 4 * threads:
                yield waiting.pop(0).result()
        for future in waiting:
            yield future.result()


def _map(pixels: BinaryIO, files: Sequence[tuple[str, Path]], index: dict[str, _Entry], spec: PixelSpec) -> PixelCache:
    entries = [index[digest] for digest, _ in files]
    count = len(_slots_of(index))
    shape = (count, spec.size, spec.size, 3)
    return PixelCache(
        pixels=np.memmap(pixels, np.uint8, "r", shape=shape) if count else np.empty(shape, np.uint8),
        slots=np.array([entry.slot for entry in entries], dtype=np.int64),
        aspects=np.array([entry.width / max(1, entry.height) for entry in entries], dtype=np.float32),
        errors={position: entry.error for position, entry in enumerate(entries) if entry.error is not None},
    )
