from __future__ import annotations

import gzip
import os
import random
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from service.inputs import InputError
from service.inputs.archive.gzip import GzipFile
from service.inputs.archive.limits import ArchiveLimits


@pytest.fixture(scope="module")
def content() -> bytes:
    """Six megabytes of which some parts can be compressed, and some cannot."""
    choose = random.Random(0)
    return b"".join(choose.randbytes(3_000) + bytes([number % 251]) * 3_000 for number in range(1_000))


def whole(path: Path, content: bytes) -> Path:
    path.write_bytes(gzip.compress(content, 6))
    return path


def members(path: Path, content: bytes) -> Path:
    """As pigz and bgzip write it, with zero bytes at the end as tapes have."""
    parts = (content[start : start + 700_000] for start in range(0, len(content), 700_000))
    path.write_bytes(b"".join(map(gzip.compress, parts)) + bytes(1_000))
    return path


def opened(path: Path, size: int) -> GzipFile:
    file = GzipFile(path, ArchiveLimits())
    assert file.read_at(size, 1) == b""
    file.finish()
    return file


@pytest.mark.parametrize("write", [whole, members])
def test_any_place_is_read(tmp_path: Path, content: bytes, write: Callable[[Path, bytes], Path]) -> None:
    file = opened(write(tmp_path / "x.gz", content), len(content))
    choose = random.Random(1)
    places = [(choose.randrange(len(content)), choose.randrange(100_000)) for _ in range(60)]
    for place, size in [*places, (0, 10), (len(content) - 5, 10), (len(content), 1), (len(content) + 9, 1)]:
        assert file.read_at(place, size) == content[place : place + size]


def test_threads_share_it(tmp_path: Path, content: bytes) -> None:
    file = opened(whole(tmp_path / "x.gz", content), len(content))
    places = [place * 37_501 % len(content) for place in range(200)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda place: file.read_at(place, 5_000), places))
    assert found == [content[place : place + 5_000] for place in places]


def test_memory_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    block = os.urandom(1 << 20)
    with gzip.open(path, "wb", 1) as out:
        for _ in range(12):
            out.write(block)
    tracemalloc.start()
    opened(path, 12 << 20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4_000_000


@pytest.mark.parametrize("keep", [0.3, 0.999])
def test_a_file_that_is_cut_off(tmp_path: Path, content: bytes, keep: float) -> None:
    path = whole(tmp_path / "x.gz", content)
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    with pytest.raises(InputError, match=r"x.gz: the archive is damaged \(it is cut off\); get it again"):
        GzipFile(path, ArchiveLimits()).read_at(len(content), 1)


def test_a_damaged_file(tmp_path: Path, content: bytes) -> None:
    path = whole(tmp_path / "x.gz", content)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"x.gz: the archive is damaged"):
        GzipFile(path, ArchiveLimits()).read_at(len(content), 1)
