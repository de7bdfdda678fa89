from __future__ import annotations

import hashlib
import multiprocessing
import os
import resource
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from service.pixels import PixelSpec, load
from tests.support.photos import draw
from trainer.data import PixelCache, fill_cache
from trainer.errors import CacheError

SPEC = PixelSpec(size=24, resize_short=24, mode="squish", filter="bilinear")


def listed(folder: Path, count: int, *, first: int = 0) -> list[tuple[str, Path]]:
    """(SHA-256, path) of `count` new images of 48 x 40 pixels."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for number in range(first, first + count):
        path = folder / f"{number:04}.png"
        draw("red", number).save(path)
        files.append((hashlib.sha256(path.read_bytes()).hexdigest(), path))
    return files


def fill(cache: Path, files: list[tuple[str, Path]]) -> PixelCache:
    return fill_cache(cache, files, spec=SPEC, threads=2)


def everything(cache: PixelCache) -> np.ndarray:
    return cache.batch(np.arange(len(cache), dtype=np.int64))


def test_gives_each_image_as_the_pixel_contract_decodes_it(tmp_path: Path) -> None:
    files = listed(tmp_path / "images", 20)
    cache = fill(tmp_path / "cache", files)
    expected = np.stack([load(path.read_bytes(), SPEC).pixels for _, path in files])
    assert np.array_equal(everything(cache), expected)
    assert cache.aspects == pytest.approx(np.full(20, 48 / 40))


def test_a_second_run_decodes_nothing(tmp_path: Path) -> None:
    files = listed(tmp_path / "images", 5)
    first = everything(fill(tmp_path / "cache", files))
    for _, path in files:
        path.unlink()
    assert np.array_equal(everything(fill(tmp_path / "cache", files)), first)


def test_a_second_run_decodes_only_what_is_new_and_keeps_the_order(tmp_path: Path) -> None:
    old = listed(tmp_path / "images", 4)
    fill(tmp_path / "cache", old)
    new = listed(tmp_path / "images", 3, first=4)
    for _, path in old:
        path.unlink()
    mixed = [new[2], old[0], new[0], old[3], old[0]]
    seen: list[int] = []
    cache = fill_cache(tmp_path / "cache", mixed, spec=SPEC, threads=2, on_progress=seen.append)
    assert sum(seen) == len(mixed)
    assert np.array_equal(everything(cache)[1], everything(cache)[4])
    assert np.array_equal(everything(cache)[0], load(new[2][1].read_bytes(), SPEC).pixels)


def test_other_settings_have_a_cache_of_their_own(tmp_path: Path) -> None:
    files = listed(tmp_path / "images", 2)
    small = fill(tmp_path / "cache", files)
    large = fill_cache(tmp_path / "cache", files, spec=PixelSpec(size=30, resize_short=30, mode="squish"), threads=1)
    assert everything(small).shape == (2, 24, 24, 3)
    assert everything(large).shape == (2, 30, 30, 3)


def test_what_cannot_be_decoded_is_said_and_remembered(tmp_path: Path) -> None:
    files = listed(tmp_path / "images", 3)
    broken = tmp_path / "images" / "text.jpg"
    broken.write_text("no picture")
    files.insert(1, (hashlib.sha256(b"no picture").hexdigest(), broken))
    for _ in range(2):
        cache = fill(tmp_path / "cache", files)
        assert list(cache.errors) == [1]
        assert "not an image" in cache.errors[1]
        assert cache.slots[1] == -1
        assert np.array_equal(everything(cache.take([0, 2])), np.stack([cache.pixels[0], cache.pixels[1]]))


def test_a_changed_file_is_an_error_not_a_wrong_picture(tmp_path: Path) -> None:
    files = listed(tmp_path / "images", 1)
    draw("blue", 1).save(files[0][1])
    with pytest.raises(CacheError, match="was changed while it was being read"):
        fill(tmp_path / "cache", files)


def _fill_slowly(cache: Path, files: list[tuple[str, Path]]) -> None:
    fill_cache(cache, files, spec=SPEC, threads=1, on_progress=lambda _: time.sleep(0.002))


@pytest.mark.parametrize("delay_s", [0.15, 0.4, 0.9])
def test_a_kill_at_any_moment_leaves_a_cache_that_goes_on(tmp_path: Path, delay_s: float) -> None:
    files = listed(tmp_path / "images", 600)
    process = multiprocessing.get_context("fork").Process(target=_fill_slowly, args=(tmp_path / "cache", files))
    process.start()
    time.sleep(delay_s)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    expected = np.stack([load(path.read_bytes(), SPEC).pixels for _, path in files])
    assert np.array_equal(everything(fill(tmp_path / "cache", files)), expected)


@pytest.mark.parametrize("cut", [1, 7, 100])
def test_a_torn_index_line_is_forgotten_with_its_pixels(tmp_path: Path, cut: int) -> None:
    files = listed(tmp_path / "images", 6)
    expected = everything(fill(tmp_path / "cache", files))
    index = next((tmp_path / "cache").glob("*/index.jsonl"))
    os.truncate(index, index.stat().st_size - cut)
    assert np.array_equal(everything(fill(tmp_path / "cache", files)), expected)


def test_lost_pixels_are_decoded_again(tmp_path: Path) -> None:
    files = listed(tmp_path / "images", 6)
    expected = everything(fill(tmp_path / "cache", files))
    pixels = next((tmp_path / "cache").glob("*/pixels.u8"))
    os.truncate(pixels, pixels.stat().st_size // 2)
    assert np.array_equal(everything(fill(tmp_path / "cache", files)), expected)


def test_two_processes_that_fill_at_once_both_get_every_image(tmp_path: Path) -> None:
    files = listed(tmp_path / "images", 60)
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_fill_slowly, args=(tmp_path / "cache", files)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    expected = np.stack([load(path.read_bytes(), SPEC).pixels for _, path in files])
    assert np.array_equal(everything(fill(tmp_path / "cache", files)), expected)
    pixels = next((tmp_path / "cache").glob("*/pixels.u8"))
    assert pixels.stat().st_size == 60 * 24 * 24 * 3


def test_a_cache_that_is_deleted_while_it_is_filled_gives_no_wrong_pixels(tmp_path: Path) -> None:
    """The file was opened again by its name, which by then was another fit's."""
    mine, others = listed(tmp_path / "mine", 6), listed(tmp_path / "others", 6, first=100)

    def delete_and_fill_anew(count: int) -> None:
        if count and (tmp_path / "cache").exists() and not done:
            done.append(True)
            shutil.rmtree(tmp_path / "cache")
            fill(tmp_path / "cache", others)

    done: list[bool] = []
    cache = fill_cache(tmp_path / "cache", mine, spec=SPEC, threads=1, on_progress=delete_and_fill_anew)
    assert done
    assert np.array_equal(everything(cache), np.stack([load(path.read_bytes(), SPEC).pixels for _, path in mine]))


def _fill_with_little_room(cache: Path, files: list[tuple[str, Path]], answers: multiprocessing.Queue[str]) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    try:
        fill(cache, files)
        answers.put("filled")
    except CacheError as error:
        answers.put(str(error))


def test_a_full_disk_is_said_and_nothing_is_lost(tmp_path: Path) -> None:
    files = listed(tmp_path / "images", 6)
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    process = context.Process(target=_fill_with_little_room, args=(tmp_path / "cache", files, answers))
    process.start()
    assert "cannot be written (File too large); free space there" in answers.get(timeout=30)
    process.join()
    assert len(fill(tmp_path / "cache", files)) == 6
