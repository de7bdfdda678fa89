"""100,000 images, decoded into 25 GB on the disk, are read in random order with a few hundred megabytes of memory."""

from __future__ import annotations

import io
import multiprocessing
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from service.pixels import PixelSpec
from trainer.catalog import read_catalog
from trainer.data import Decoding, prepare

COUNT = 100_000
MAX_MEMORY_BYTES = 1_500_000_000
NEEDED_DISK_BYTES = 40_000_000_000


def anonymous_bytes() -> int:
    """Memory of this process, mapped files not counted."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) * 1024


def write_photos(folder: Path) -> None:
    """Ten classes of JPEG images of 320 x 240 pixels, all different."""
    base = Image.fromarray(np.random.default_rng(0).integers(0, 256, (15, 20, 3), dtype=np.uint8)).resize((320, 240))
    for label in range(10):
        (folder / str(label)).mkdir(parents=True)
    for number in range(COUNT):
        image = base.copy()
        image.paste((number % 256, number // 256 % 256, number // 65536), (0, 0, 64, 64))
        file = io.BytesIO()
        image.save(file, "JPEG", quality=80)
        (folder / str(number % 10) / f"{number:06}.jpg").write_bytes(file.getvalue())


def prepare_and_read(folder: Path, cache: Path, results: multiprocessing.Queue[tuple[int, int]]) -> None:
    """Read all images once; put the number of images and the peak of the memory, bytes."""
    pixels = PixelSpec(size=224, resize_short=256)
    start = anonymous_bytes()
    prepared = prepare(read_catalog(folder), pixels, seed=0, decoding=Decoding(cache, threads=2))
    peak = anonymous_bytes()
    count = len(prepared.data.train)
    order = np.random.default_rng(0).permutation(count)
    for batch in np.array_split(order, count // 32):
        assert prepared.data.train.batch(np.sort(batch)).shape[1:] == (288, 288, 3)
        peak = max(peak, anonymous_bytes())
    results.put((count + len(prepared.data.valid), peak - start))


@pytest.mark.slow
def test_a_hundred_thousand_images_are_never_all_in_memory(tmp_path: Path) -> None:
    if shutil.disk_usage(tmp_path).free < NEEDED_DISK_BYTES:
        pytest.skip(f"needs {NEEDED_DISK_BYTES:,} bytes of free disk")
    write_photos(tmp_path / "photos")
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    process = context.Process(target=prepare_and_read, args=(tmp_path / "photos", tmp_path / "cache", results))
    process.start()
    process.join()
    assert process.exitcode == 0
    count, memory_bytes = results.get()
    shutil.rmtree(tmp_path / "cache")
    print(f"{count:,} images, at most {memory_bytes / 1e6:,.0f} MB of memory apart from the mapped file")  # noqa: T201
    assert count == COUNT
    assert memory_bytes < MAX_MEMORY_BYTES
