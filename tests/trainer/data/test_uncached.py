"""Images that are decoded as they are needed are those of the cache."""

from __future__ import annotations

import gc
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from service.pixels import load
from tests.trainer.data.test_cache import SPEC, write_images
from trainer.data import Decoding, DecodingWorkers, UncachedPixels
from trainer.data.cache import inspect_images
from trainer.errors import CacheError


def open_uncached(tmp_path: Path, files: list[tuple[str, Path]], workers: int = 2) -> UncachedPixels:
    inspected = inspect_images(files, SPEC, Decoding(tmp_path / "cache", threads=1))
    return UncachedPixels(files, SPEC, inspected, DecodingWorkers(workers))


def children() -> set[str]:
    """Processes of this one that decode."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            if parent == str(os.getpid()) and b"trainer.decoding" in (folder / "cmdline").read_bytes():
                found.add(folder.name)
    return found


@pytest.fixture
def no_process_stays() -> Iterator[None]:
    before = children()
    yield
    gc.collect()
    assert not children() - before


@pytest.mark.usefixtures("no_process_stays")
def test_any_order_gives_the_pixels_of_the_files(tmp_path: Path) -> None:
    files = write_images(tmp_path / "images", 90)
    expected = np.stack([load(path.read_bytes(), SPEC).pixels for _, path in files])
    pixels = open_uncached(tmp_path, files)
    assert (len(pixels), pixels.size, pixels.errors) == (90, 24, {})
    assert pixels.aspects == pytest.approx(np.full(90, 48 / 40))
    random = np.random.default_rng(0)
    order = random.permutation(np.repeat(np.arange(90), 2))
    for announced in (None, order, order[::-1], order[:5]):  # right, wrong, too short: only the speed differs
        if announced is not None:
            pixels.prefetch(announced.tolist())
        for start in range(0, 180, 32):
            positions = order[start : start + 32]
            assert np.array_equal(pixels.batch(positions), expected[positions])
    part = pixels.select([7, 3, 7])
    assert np.array_equal(part.batch(np.array([2, 1])), expected[[7, 3]])
    assert part.batch(np.empty(0, dtype=np.int64)).shape == (0, 24, 24, 3)
    del pixels, part


@pytest.mark.usefixtures("no_process_stays")
def test_a_worker_that_is_killed_is_replaced(tmp_path: Path) -> None:
    files = write_images(tmp_path / "images", 3)
    before = children()
    pixels = open_uncached(tmp_path, files, workers=1)
    assert not children() - before  # none starts before it is needed
    first = pixels.batch(np.array([0]))
    (worker,) = children() - before
    os.kill(int(worker), signal.SIGKILL)
    assert np.array_equal(pixels.batch(np.array([0])), first)
    assert pixels.batch(np.array([1, 2])).shape == (2, 24, 24, 3)
    del pixels


@pytest.mark.usefixtures("no_process_stays")
def test_a_file_that_changes_or_goes_is_an_error(tmp_path: Path) -> None:
    files = write_images(tmp_path / "images", 3)
    pixels = open_uncached(tmp_path, files)
    files[0][1].write_bytes(b"other")
    files[1][1].unlink()
    for position, message in ((0, "was changed while it was being read"), (1, "cannot be read: No such file")):
        with pytest.raises(CacheError, match=message):
            pixels.batch(np.array([position]))
    assert pixels.batch(np.array([2])).shape == (1, 24, 24, 3)
    del pixels


def test_workers_end_if_the_process_that_asks_is_killed(tmp_path: Path) -> None:
    files = write_images(tmp_path / "images", 2)
    code = (
        "import sys, time, numpy as np; from pathlib import Path; from tests.trainer.data.test_uncached import *;"
        "pixels = open_uncached(Path(sys.argv[1]), [(sys.argv[2], Path(sys.argv[3]))], 1); pixels.batch(np.array([0]));"
        "print(*children(), flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(tmp_path), files[0][0], str(files[0][1])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        worker = int(process.stdout.readline())
        os.kill(process.pid, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while Path(f"/proc/{worker}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not Path(f"/proc/{worker}").exists()


def test_what_was_decoded_once_is_remembered(tmp_path: Path) -> None:
    files = write_images(tmp_path / "images", 4)
    broken = tmp_path / "images" / "broken.jpg"
    broken.write_bytes(b"no picture")

    files.insert(1, (hashlib.sha256(b"no picture").hexdigest(), broken))
    decoding = Decoding(tmp_path / "cache", threads=1)
    first = inspect_images(files, SPEC, decoding)
    assert [*first.errors] == [1]
    for _, path in files:
        path.unlink()
    again = inspect_images(files, SPEC, decoding)
    assert again.errors == first.errors
    assert np.array_equal(again.aspects, first.aspects)
