"""The rate of `fieldguide check` beside that of the decoder alone, and the memory that it takes, on generated photos.

    python -m tests.benchmarks.check_rate --images 100000 [--size 320x240] [--threads 2]

The photos are written to a temporary folder first: JPEG, 640 x 480 unless said, of four hundred scenes, each with its
own noise and colour. Then all of them are decoded with `service.pixels.load` alone, with as many threads, and then
checked. Memory is the peak of the check's own process, before and after. Last, the comparison of 100,000 images with
each other, on made-up measurements: its time, and the memory of all measurements.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from service.cores import usable_cores

_SCENES = 400
_COMPARED = 100_000

_DECODE = """
import json, sys, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from service.pixels import load
from trainer.checking.measures import MEASURED
paths = sorted(Path(sys.argv[1]).rglob("*.jpg"))
started = time.monotonic()
with ThreadPoolExecutor(int(sys.argv[2])) as pool:
    for start in range(0, len(paths), 64):
        list(pool.map(lambda path: load(path.read_bytes(), MEASURED).width, paths[start : start + 64]))
print(json.dumps({"seconds": time.monotonic() - started}))
"""

# What a program has resident, and the most since the last reset: the peak of its imports does not count (proc(5)).
_MEMORY = """
import re
from pathlib import Path
def resident_kb(name):
    return int(re.search(rf"{name}:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
def reset_peak():
    Path("/proc/self/clear_refs").write_text("5")
    return resident_kb("VmRSS")
"""

_CHECK = (
    _MEMORY
    + """
import json, sys, time
from pathlib import Path
from trainer.catalog import read_catalog
from trainer.checking.check import check_images
from trainer.checking.items import items_of
from trainer.progress import NoProgress
images = items_of(read_catalog(Path(sys.argv[1])))
before = reset_peak()
started = time.monotonic()
result = check_images(images, threads=int(sys.argv[2]), progress=NoProgress())
seconds = time.monotonic() - started
after = resident_kb("VmHWM")
found = {finding.kind: len(finding.images) for finding in result.findings}
print(json.dumps({"seconds": seconds, "before_kb": before, "after_kb": after, "found": found}))
"""
)


_COMPARE = (
    _MEMORY
    + """
import json, sys, time
from pathlib import Path
import numpy as np
from trainer.checking.check import shortcut_findings
from trainer.checking.duplicates import duplicate_findings, find_duplicates
from trainer.checking.items import Item, Items
from trainer.checking.quality import quality_findings
from trainer.checking.scan import Scan
count = int(sys.argv[1])
random = np.random.default_rng(0)
before = reset_peak()
items = tuple(
    Item(path=f"class-{n % 100:03}/{n:06}.jpg", labels=frozenset({str(n % 100)}), split="") for n in range(count)
)
scan = Scan(
    images=Items(root=Path("/"), items=items, summary=""), errors={}, sha256=[random.bytes(32) for _ in range(count)],
    formats=["JPEG"] * count, cameras=[""] * count, animated=np.zeros(count, bool),
    file_bytes=random.integers(10**4, 10**6, count), sizes=random.integers(300, 3000, (count, 2)),
    measures=random.uniform(0.3, 0.7, (count, 5)).astype(np.float32),
    hashes=random.integers(0, 2**64, count, dtype=np.uint64),
    thumbnails=random.integers(0, 256, (count, 16, 16, 3), dtype=np.uint8),
)
started = time.monotonic()
list(quality_findings(scan)), list(shortcut_findings(scan))
list(duplicate_findings(scan, find_duplicates(scan, threads=2)))
print(json.dumps({"seconds": time.monotonic() - started, "kb": resident_kb("VmHWM") - before}))
"""
)


def scene(number: int, size: tuple[int, int]) -> Image.Image:
    """Large shapes with edges and shading."""
    random = np.random.default_rng([1, number])
    coarse = Image.fromarray(random.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    smooth = coarse.resize(size, Image.Resampling.BICUBIC)
    return Image.blend(smooth, coarse.resize(size, Image.Resampling.NEAREST), 0.5)


def write_photos(root: Path, count: int, *, size: tuple[int, int], threads: int) -> None:
    scenes = [np.asarray(scene(number, size)) for number in range(_SCENES)]

    def write(number: int) -> None:
        random = np.random.default_rng([2, number])
        moved = np.roll(scenes[number % _SCENES], random.integers(0, size[1], 2), axis=(0, 1))
        lit = moved * random.uniform(0.5, 1, 3)
        noise = random.integers(0, 40, (*size[::-1], 1), dtype=np.uint8)
        file = io.BytesIO()
        Image.fromarray((lit + noise).clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=85)
        (root / f"class-{number % 20:02}" / f"{number:06}.jpg").write_bytes(file.getvalue())

    for number in range(20):
        (root / f"class-{number:02}").mkdir()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(write, range(count)))


def run(program: str, *arguments: str) -> dict[str, float]:
    done = subprocess.run([sys.executable, "-c", program, *arguments], stdout=subprocess.PIPE, text=True, check=True)
    value: dict[str, float] = json.loads(done.stdout)
    return value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=5_000)
    parser.add_argument("--size", default="640x480", help="of the photos, WIDTHxHEIGHT")
    parser.add_argument("--threads", type=int, default=usable_cores())
    arguments = parser.parse_args()
    width, height = map(int, arguments.size.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        write_photos(Path(folder), arguments.images, size=(width, height), threads=arguments.threads)
        print(f"{arguments.images:,} photos written in {time.monotonic() - started:.0f} s", flush=True)
        decoded = run(_DECODE, folder, str(arguments.threads))
        checked = run(_CHECK, folder, str(arguments.threads))
    decoder, check = arguments.images / decoded["seconds"], arguments.images / checked["seconds"]
    print(f"decoder alone: {decoder:.0f} images/s; check: {check:.0f} images/s, {check / decoder:.2f} of it")
    print(f"memory: {checked['before_kb'] / 1024:.0f} MB before, {checked['after_kb'] / 1024:.0f} MB at most")
    print(f"found: {checked['found']}")
    compared = run(_COMPARE, str(_COMPARED))
    print(
        f"{_COMPARED:,} images compared in {compared['seconds']:.1f} s, with {compared['kb'] / 1024:.0f} MB of memory"
    )


if __name__ == "__main__":
    main()
