"""What is removed to make room, and what never is."""

from __future__ import annotations

import gc
import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from service.pixels import PixelSpec
from tests.trainer.data.test_cache import SPEC, all_pixels, write_images
from trainer.data import CacheFull, Decoding, PixelCache, clear_caches, fill_cache, list_caches, parse_bytes
from trainer.data.housekeeping import format_bytes, make_room, max_cache_bytes
from trainer.errors import RecipeError

BYTES = 24 * 24 * 3  # of an image
SLACK = 4_000  # index and marker


def fill(folder: Path, name: str, *, count: int = 20, max_bytes: int | None = None, age_s: float = 0) -> PixelCache:
    """Fill the cache of a data set of some images, and make it look old."""
    data = folder.parent / name
    files = write_images(data, count, first=sum(name.encode()) * 100) if not data.exists() else hashed(data)
    cache = fill_cache(files, SPEC, Decoding(folder, threads=1, max_bytes=max_bytes), data=data)
    if age_s:
        about = next(entry.path for entry in list_caches(folder) if entry.data == str(data)) / "about.json"
        os.utime(about, (time.time() - age_s,) * 2)
    return cache


def hashed(data: Path) -> list[tuple[str, Path]]:
    return [(hashlib.sha256(path.read_bytes()).hexdigest(), path) for path in sorted(data.iterdir())]


def names(folder: Path) -> list[str]:
    return [Path(entry.data).name for entry in list_caches(folder)]


def test_the_caches_used_longest_ago_go_first(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    for name, age_s in (("old", 3000), ("oldest", 9000), ("young", 10)):
        fill(folder, name, age_s=age_s)
    assert names(folder) == ["young", "old", "oldest"]
    fill(folder, "new", max_bytes=3 * (20 * BYTES + SLACK))
    assert names(folder) == ["new", "young", "old"]
    fill(folder, "old")  # used again, so that `young` is now the oldest
    fill(folder, "newest", max_bytes=2 * (20 * BYTES + SLACK))
    assert names(folder) == ["newest", "old"]


def test_a_cache_that_is_used_stays_and_what_does_not_fit_removes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    used = fill(folder, "used", age_s=9000)
    fill(folder, "idle", age_s=10)
    expected = all_pixels(used).copy()
    with pytest.raises(CacheFull) as full:
        fill(folder, "large", count=100, max_bytes=110 * BYTES)
    assert full.value.needed == 100 * BYTES
    assert {"used", "idle"} <= {*names(folder)}
    assert [entry.in_use for entry in list_caches(folder) if Path(entry.data).name == "used"] == [True]
    fill(folder, "next", max_bytes=2 * (20 * BYTES + SLACK))
    sizes = {Path(entry.data).name: entry.size_bytes for entry in list_caches(folder)}
    assert {name for name, size in sizes.items() if size > SLACK} == {"next", "used"}
    assert np.array_equal(all_pixels(used), expected)
    part = used.select([3, 1])  # shares the lock
    del used
    gc.collect()
    assert clear_caches(folder)[1][0].data.endswith("used")
    del part
    gc.collect()
    assert [entry.data for entry in clear_caches(folder)[0]] == [str(tmp_path / "used")]
    assert names(folder) == []


def test_a_process_that_is_killed_holds_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    fill(folder, "photos")
    home = list_caches(folder)[0].path
    code = (
        "import sys, time; from pathlib import Path; from trainer.data.housekeeping import Lease;"
        "lease = Lease(Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(home)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        assert list_caches(folder)[0].in_use
        assert clear_caches(folder)[0] == []
        os.kill(process.pid, signal.SIGKILL)
    assert not list_caches(folder)[0].in_use
    assert len(clear_caches(folder)[0]) == 1


def test_only_what_is_ours_is_removed_and_no_link_is_followed(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "cache", tmp_path / "elsewhere"
    fill(folder, "photos")
    fill(folder, "others")
    home, other = (entry.path for entry in list_caches(folder))
    elsewhere.mkdir()
    (elsewhere / "pixels.u8").write_bytes(b"mine")
    (elsewhere / "about.json").write_text((home / "about.json").read_text())
    (folder / "link").symlink_to(elsewhere)
    (folder / "a folder of mine").mkdir()
    (folder / "a folder of mine" / "about.json").write_text('{"kind": "something"}')
    (folder / "text.txt").write_text("mine")
    (home / "notes.txt").write_text("mine")
    (other / "pixels.u8").unlink()
    (other / "pixels.u8").symlink_to(elsewhere / "pixels.u8")
    removed, kept = clear_caches(folder)
    assert (len(removed), kept) == (2, [])
    assert sorted(str(path.relative_to(tmp_path)) for path in folder.rglob("*")) == sorted(
        [
            "cache/a folder of mine",
            "cache/a folder of mine/about.json",
            f"cache/{home.name}",
            f"cache/{home.name}/notes.txt",
            "cache/link",
            "cache/text.txt",
        ]
    )
    assert (elsewhere / "pixels.u8").read_bytes() == b"mine"


def test_older_than(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    fill(folder, "old", age_s=3 * 86_400)
    fill(folder, "new", age_s=86_400)
    assert [Path(entry.data).name for entry in clear_caches(folder, older_than_days=2)[0]] == ["old"]
    assert names(folder) == ["new"]


def test_images_that_a_data_set_no_longer_has_go_if_there_is_no_room(tmp_path: Path) -> None:
    folder, data = tmp_path / "cache", tmp_path / "photos"
    old, new = write_images(data, 20), write_images(data, 15, first=50)
    fill_cache(old, SPEC, Decoding(folder, threads=1), data=data)
    cache = fill_cache(new, SPEC, Decoding(folder, threads=1, max_bytes=20 * BYTES + SLACK), data=data)
    assert len(cache.pixels) == 15
    still_used = cache
    with pytest.raises(CacheFull):
        fill_cache(old, SPEC, Decoding(folder, threads=1, max_bytes=20 * BYTES + SLACK), data=data)
    assert len(all_pixels(still_used)) == 15


def test_two_data_sets_and_two_sizes_have_caches_of_their_own(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    for parent in ("a", "b"):
        files = write_images(tmp_path / parent / "photos", 2)
        for size in (24, 30):
            spec = PixelSpec(size=size, resize_short=size, mode="squish")
            fill_cache(files, spec, Decoding(folder, threads=1), data=tmp_path / parent / "photos")
    found = list_caches(folder)
    assert {(entry.data, entry.pixels) for entry in found} == {
        (str(tmp_path / parent / "photos"), f"squish {size}") for parent in "ab" for size in (24, 30)
    }
    assert all(entry.path.name.startswith("photos-") for entry in found)


def test_the_default_is_a_fifth_of_the_disk_that_is_free_without_caches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "cache"
    monkeypatch.setattr("trainer.data.housekeeping.free_bytes", lambda _folder: 100_000)
    assert max_cache_bytes(folder, None) == 20_000
    fill(folder, "photos", count=10)
    (entry,) = list_caches(folder)
    assert max_cache_bytes(folder, None) == pytest.approx(0.2 * (100_000 + entry.size_bytes), abs=1)
    assert max_cache_bytes(folder, 7) == 7
    assert not make_room(folder, 100_001 + entry.size_bytes, 10**9)  # the disk is smaller than the limit
    assert list_caches(folder)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", 0), (12, 12), ("500MB", 500_000_000), ("1.5 gb", 1_500_000_000), ("2GiB", 2**31), ("3T", 3 * 10**12)],
)
def test_sizes(text: str | int, expected: int) -> None:
    assert parse_bytes(text) == expected


@pytest.mark.parametrize("text", ["", "-1", "many", "5 cows", "GB", -3, "nan", "1e9", True])
def test_what_is_no_size(text: str | int) -> None:
    with pytest.raises(RecipeError, match="such as 500MB or 20GB"):
        parse_bytes(text)


def test_sizes_for_people() -> None:
    shown = [format_bytes(count) for count in (0, 999, 1000, 999_600, 1_310_000_000, 2.5e12, 3e15)]
    assert shown == ["0 B", "999 B", "1 kB", "1 MB", "1.31 GB", "2.5 TB", "3,000 TB"]
