from __future__ import annotations

import hashlib
import multiprocessing
import os
import resource
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from service.pixels import PixelSpec, load
from tests.support.photos import draw
from trainer.data import CacheFull, Decoding, PixelCache, fill_cache
from trainer.errors import CacheError
from trainer.progress import NoProgress

SPEC = PixelSpec(size=24, resize_short=24, mode="squish", filter="bilinear")


class Watched(NoProgress):
    """A Progress that calls a function with every number of images."""

    def __init__(self, on_advance: Callable[[int], None]) -> None:
        self._on_advance = on_advance

    def advance(self, count: int = 1) -> None:
        self._on_advance(count)


def write_images(folder: Path, count: int, *, first: int = 0) -> list[tuple[str, Path]]:
    """(SHA-256, path) of `count` new images of 48 x 40 pixels."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for number in range(first, first + count):
        path = folder / f"{number:04}.png"
        draw("red", number).save(path)
        files.append((hashlib.sha256(path.read_bytes()).hexdigest(), path))
    return files


def fill(cache: Path, files: list[tuple[str, Path]]) -> PixelCache:
    return fill_cache(files, SPEC, Decoding(cache, threads=2))


def all_pixels(cache: PixelCache) -> np.ndarray:
    return cache.batch(np.arange(len(cache), dtype=np.int64))


def test_what_the_images_were_is_kept(tmp_path: Path) -> None:
    files = write_images(tmp_path / "images", 3)
    cache = fill(tmp_path / "cache", files)
    assert cache.originals == (("PNG", 48, 40),) * 3
    assert fill(tmp_path / "cache", files).originals == cache.originals
    assert len(cache.select([2, 0]).originals) == 2


def test_a_cache_that_does_not_know_the_formats_is_used(tmp_path: Path) -> None:
    files = write_images(tmp_path / "images", 3)
    fill(tmp_path / "cache", files)
    (index,) = (tmp_path / "cache").glob("*/index.jsonl")
    index.write_text(index.read_text().replace(', "format": "PNG"', ""))
    cache = fill(tmp_path / "cache", files)
    assert cache.originals == (("", 48, 40),) * 3
    assert (cache.slots >= 0).all()


def test_images_are_decoded_as_the_service_does(tmp_path: Path) -> None:
    files = write_images(tmp_path / "images", 20)
    cache = fill(tmp_path / "cache", files)
    expected = np.stack([load(path.read_bytes(), SPEC).pixels for _, path in files])
    assert np.array_equal(all_pixels(cache), expected)
    assert cache.aspects == pytest.approx(np.full(20, 48 / 40))


def test_a_second_run_decodes_nothing(tmp_path: Path) -> None:
    files = write_images(tmp_path / "images", 5)
    first = all_pixels(fill(tmp_path / "cache", files))
    for _, path in files:
        path.unlink()
    assert np.array_equal(all_pixels(fill(tmp_path / "cache", files)), first)


def test_a_second_run_decodes_only_new_images_and_keeps_the_order(tmp_path: Path) -> None:
    old = write_images(tmp_path / "images", 4)
    fill(tmp_path / "cache", old)
    new = write_images(tmp_path / "images", 3, first=4)
    for _, path in old:
        path.unlink()
    mixed = [new[2], old[0], new[0], old[3], old[0]]
    seen: list[int] = []
    cache = fill_cache(mixed, SPEC, Decoding(tmp_path / "cache", threads=2, progress=Watched(seen.append)))
    assert sum(seen) == len(mixed)
    assert np.array_equal(all_pixels(cache)[1], all_pixels(cache)[4])
    assert np.array_equal(all_pixels(cache)[0], load(new[2][1].read_bytes(), SPEC).pixels)


def test_each_spec_has_its_own_cache(tmp_path: Path) -> None:
    files = write_images(tmp_path / "images", 2)
    small = fill(tmp_path / "cache", files)
    large = fill_cache(
        files, PixelSpec(size=30, resize_short=30, mode="squish"), Decoding(tmp_path / "cache", threads=1)
    )
    assert all_pixels(small).shape == (2, 24, 24, 3)
    assert all_pixels(large).shape == (2, 30, 30, 3)


def test_an_image_that_cannot_be_decoded_is_reported_and_remembered(tmp_path: Path) -> None:
    files = write_images(tmp_path / "images", 3)
    broken = tmp_path / "images" / "text.jpg"
    broken.write_text("no picture")
    files.insert(1, (hashlib.sha256(b"no picture").hexdigest(), broken))
    for _ in range(2):
        cache = fill(tmp_path / "cache", files)
        assert list(cache.errors) == [1]
        assert "not an image" in cache.errors[1]
        assert cache.slots[1] == -1
        assert np.array_equal(all_pixels(cache.select([0, 2])), np.stack([cache.pixels[0], cache.pixels[1]]))


def test_a_changed_file_is_an_error_and_not_a_wrong_image(tmp_path: Path) -> None:
    files = write_images(tmp_path / "images", 1)
    draw("blue", 1).save(files[0][1])
    with pytest.raises(CacheError, match="was changed while it was being read"):
        fill(tmp_path / "cache", files)


def _fill_slowly(cache: Path, files: list[tuple[str, Path]]) -> None:
    fill_cache(files, SPEC, Decoding(cache, threads=1, progress=Watched(lambda _: time.sleep(0.002))))


@pytest.mark.parametrize("delay_s", [0.15, 0.4, 0.9])
def test_a_cache_continues_after_a_kill_at_any_moment(tmp_path: Path, delay_s: float) -> None:
    files = write_images(tmp_path / "images", 600)
    process = multiprocessing.get_context("fork").Process(target=_fill_slowly, args=(tmp_path / "cache", files))
    process.start()
    time.sleep(delay_s)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    expected = np.stack([load(path.read_bytes(), SPEC).pixels for _, path in files])
    assert np.array_equal(all_pixels(fill(tmp_path / "cache", files)), expected)


@pytest.mark.parametrize("cut", [1, 7, 100])
def test_an_incomplete_index_line_is_removed_with_its_pixels(tmp_path: Path, cut: int) -> None:
    files = write_images(tmp_path / "images", 6)
    expected = all_pixels(fill(tmp_path / "cache", files))
    index = next((tmp_path / "cache").glob("*/index.jsonl"))
    os.truncate(index, index.stat().st_size - cut)
    assert np.array_equal(all_pixels(fill(tmp_path / "cache", files)), expected)


def test_missing_pixels_are_decoded_again(tmp_path: Path) -> None:
    files = write_images(tmp_path / "images", 6)
    expected = all_pixels(fill(tmp_path / "cache", files))
    pixels = next((tmp_path / "cache").glob("*/pixels.u8"))
    os.truncate(pixels, pixels.stat().st_size // 2)
    assert np.array_equal(all_pixels(fill(tmp_path / "cache", files)), expected)


def test_two_processes_that_fill_one_cache_both_get_every_image(tmp_path: Path) -> None:
    files = write_images(tmp_path / "images", 60)
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_fill_slowly, args=(tmp_path / "cache", files)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    expected = np.stack([load(path.read_bytes(), SPEC).pixels for _, path in files])
    assert np.array_equal(all_pixels(fill(tmp_path / "cache", files)), expected)
    pixels = next((tmp_path / "cache").glob("*/pixels.u8"))
    assert pixels.stat().st_size == 60 * 24 * 24 * 3


def test_a_cache_that_is_deleted_while_it_is_filled_has_no_wrong_pixels(tmp_path: Path) -> None:
    """Regression: the file was opened again by its name, and by then belonged to another fit."""
    own, others = write_images(tmp_path / "own", 6), write_images(tmp_path / "others", 6, first=100)

    def delete_and_refill(count: int) -> None:
        if count and (tmp_path / "cache").exists() and not done:
            done.append(True)
            shutil.rmtree(tmp_path / "cache")
            fill(tmp_path / "cache", others)

    done: list[bool] = []
    cache = fill_cache(own, SPEC, Decoding(tmp_path / "cache", threads=1, progress=Watched(delete_and_refill)))
    assert done
    assert np.array_equal(all_pixels(cache), np.stack([load(path.read_bytes(), SPEC).pixels for _, path in own]))


def _fill_on_a_full_disk(cache: Path, files: list[tuple[str, Path]], results: multiprocessing.Queue[str]) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    try:
        fill(cache, files)
        results.put("filled")
    except CacheFull as error:
        results.put(str(error))


def test_a_full_disk_is_reported_and_what_was_written_is_removed(tmp_path: Path) -> None:
    files = write_images(tmp_path / "images", 6)
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    process = context.Process(target=_fill_on_a_full_disk, args=(tmp_path / "cache", files, results))
    process.start()
    message = results.get(timeout=30)
    assert message == "the cache cannot be written, File too large"
    process.join()
    assert not list((tmp_path / "cache").iterdir())  # what was written would be missed by the run
    assert len(fill(tmp_path / "cache", files)) == 6
