"""Images that are decoded whenever they are needed, by worker processes: for a data set that no disk has room for.

The pixels are those that a cache would hold, bit for bit: the same function decodes them.
"""

from __future__ import annotations

import itertools
import json
import queue
import subprocess
import sys
import weakref
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from service.pixels import PixelSpec, UInt8Array
from trainer.data.cache import Inspected
from trainer.data.source import select_originals
from trainer.errors import CacheError

# Decoded before they are asked for, at most; 64 images of 288 pixels take 16 MB.
_AHEAD = 64
_HOME = Path(__file__).resolve().parents[2]


class DecodingWorkers:
    """Processes that decode images; they start when they are first needed, and end with this object."""

    def __init__(self, count: int) -> None:
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="decode")
        self._idle: queue.LifoQueue[_Worker | None] = queue.LifoQueue()
        for _ in range(count):
            self._idle.put(None)
        weakref.finalize(self, _stop, self._threads, self._idle)

    def submit(self, path: Path, digest: str, spec: PixelSpec) -> Future[UInt8Array]:
        """Decode an image: a future of uint8 [size, size, 3], or of CacheError."""
        return self._threads.submit(_decode, self._idle, path, digest, spec)


class _Worker:
    """One process, see `trainer.decoding`."""

    def __init__(self) -> None:
        code = f"import sys; sys.path.insert(0, {str(_HOME)!r}); from trainer.decoding import main; main()"
        # -P: a numpy.py in the present folder must not be imported.
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def decode(self, path: Path, digest: str, spec: PixelSpec) -> UInt8Array:
        """uint8 [size, size, 3]; raises CacheError, or EOFError or BrokenPipeError if the process has ended."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        request = {"path": str(path), "sha256": digest, "spec": spec.to_json()}
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        answer = json.loads(line)
        if "failed" in answer:
            raise CacheError(answer["failed"])
        pixels = np.empty((spec.size, spec.size, 3), np.uint8)
        rest = pixels.data.cast("B")
        while rest:
            count = self.process.stdout.readinto(rest)  # type: ignore[attr-defined]
            if not count:
                raise EOFError
            rest = rest[count:]
        return pixels

    def stop(self) -> None:
        """End the process."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()
        self.process.kill()
        self.process.wait()


def _decode(idle: queue.LifoQueue[_Worker | None], path: Path, digest: str, spec: PixelSpec) -> UInt8Array:
    """Decode an image in a worker; if its process has ended, once more in another one."""
    worker = idle.get()
    try:
        for _ in range(2):
            worker = worker or _Worker()
            try:
                return worker.decode(path, digest, spec)
            except (EOFError, BrokenPipeError):
                worker.stop()
                code, worker = worker.process.returncode, None
        raise CacheError(
            f"{path}: the process that decodes it ended (exit status {code}); is there enough memory? "
            "Give fewer `threads`"
        )
    finally:
        idle.put(worker)


def _stop(threads: ThreadPoolExecutor, idle: queue.LifoQueue[_Worker | None]) -> None:
    threads.shutdown(wait=True, cancel_futures=True)
    while not idle.empty():
        worker = idle.get()
        if worker is not None:
            worker.stop()


class UncachedPixels:
    """A `PixelSource` that decodes.

    Attributes:
        size: Side of the images, pixels.
        aspects: float32 [N], upright width / height.
        errors: Position of an image -> why it cannot be decoded.
        originals: What each image was.
    """

    def __init__(
        self, files: Sequence[tuple[str, Path]], spec: PixelSpec, inspected: Inspected, workers: DecodingWorkers
    ) -> None:
        self.size = spec.size
        self.aspects = inspected.aspects
        self.errors = inspected.errors
        self.originals = inspected.originals
        self._files = files
        self._spec = spec
        self._workers = workers
        self._upcoming: deque[int] = deque()
        self._started: defaultdict[int, deque[Future[UInt8Array]]] = defaultdict(deque)
        self._count = 0  # of those
        self._early: Counter[int] = Counter()

    def __len__(self) -> int:
        return len(self._files)

    def batch(self, positions: npt.NDArray[np.int64]) -> UInt8Array:
        """See `PixelSource.batch`."""
        futures = [self._take(position) for position in positions.tolist()]
        self._start()
        images = [future.result() for future in futures]
        return np.stack(images) if images else np.empty((0, self.size, self.size, 3), np.uint8)

    def prefetch(self, positions: Iterable[int]) -> None:
        """See `PixelSource.prefetch`."""
        for future in itertools.chain.from_iterable(self._started.values()):
            future.cancel()
        self._started.clear()
        self._early.clear()
        self._count = 0
        self._upcoming = deque(positions)
        self._start()

    def select(self, positions: Sequence[int]) -> UncachedPixels:
        """See `PixelSource.select`."""
        errors = {new: self.errors[old] for new, old in enumerate(positions) if old in self.errors}
        aspects = self.aspects[np.asarray(positions, dtype=np.int64)]
        files = [self._files[position] for position in positions]
        originals = select_originals(self.originals, positions)
        inspected = Inspected(aspects=aspects, errors=errors, originals=originals)
        return UncachedPixels(files, self._spec, inspected, self._workers)

    def _take(self, position: int) -> Future[UInt8Array]:
        started = self._started.get(position)
        if started:
            self._count -= 1
            return started.popleft()
        self._early[position] += 1
        return self._submit(position)

    def _start(self) -> None:
        while self._upcoming and self._count < _AHEAD:
            position = self._upcoming.popleft()
            if self._early[position]:  # it was asked for before its turn
                self._early[position] -= 1
                continue
            self._started[position].append(self._submit(position))
            self._count += 1

    def _submit(self, position: int) -> Future[UInt8Array]:
        digest, path = self._files[position]
        return self._workers.submit(path, digest, self._spec)
