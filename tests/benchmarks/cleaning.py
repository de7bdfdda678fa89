"""The page of `clean` with many images: how soon it is there, how long a decision takes, and how much memory it needs.

    python -m tests.benchmarks.cleaning --rows 100000 [--classes 100] [--decisions 300] [--skip-check]

Small JPEG images, each of its own noise, and features around a centre for each class are written to a temporary folder,
as `clean DATA --out DIR` leaves them; 3 % of the labels are wrong. Then `fieldguide clean DIR` is started in a process
of its own, and asked over HTTP. The first page is what a browser asks for before it shows something: the page, its
state, sixty images of a queue and their thumbnails. Decisions are made one after the other while suspects are worked
out and the images are checked, and again when that is done.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from service.cores import usable_cores
from tests.benchmarks.hardware import machine
from tests.benchmarks.process import process_usage
from tests.support.clean_server import RunningPage
from trainer.catalog import Catalog, hash_files, read_catalog
from trainer.recipe import Recipe
from trainer.recipe.data_source import DataSource
from trainer.run.folder import RunFolder

_WIDTH = 1280  # of the features, as those of the default backbone
_SIDE = 32
_WRONG = 0.03


def write_run(folder: Path, *, rows: int, classes: int) -> RunFolder:
    """Write images, their catalog and features, as `prepare_cleaning` does."""
    random = np.random.default_rng(0)
    truth = random.integers(0, classes, rows)
    wrong = random.random(rows) < _WRONG
    labels = np.where(wrong, random.integers(0, classes, rows), truth)
    photos = folder / "photos"
    for label in range(classes):
        (photos / f"class-{label:04}").mkdir(parents=True)

    def write(number: int) -> None:
        pixels = np.random.default_rng([1, number]).integers(0, 256, (_SIDE, _SIDE, 3), dtype=np.uint8)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=60)
        (photos / f"class-{labels[number]:04}" / f"{number:07}.jpg").write_bytes(file.getvalue())

    with ThreadPoolExecutor(usable_cores()) as pool:
        list(pool.map(write, range(rows)))
    catalog = read_catalog(photos)
    hashes = hash_files([catalog.file_of(row) for row in catalog.rows], threads=usable_cores())
    catalog = catalog.with_hashes(hashes.digests)
    run = RunFolder(folder / "run")
    run.create(replace(Recipe(), name="benchmark", data=DataSource(path=str(photos), base=str(photos), drawn=True)))
    catalog.write_csv(run.catalog)
    np.save(run.features, make_features(catalog, truth, random=random))
    return run


def make_features(catalog: Catalog, truth: Any, *, random: np.random.Generator) -> Any:
    """float16 [N, 1280]: each image around the centre of its true class."""
    centres = random.normal(size=(truth.max() + 1, _WIDTH)).astype(np.float32)
    features = np.empty((len(catalog.rows), _WIDTH), dtype=np.float16)
    for position, row in enumerate(catalog.rows):
        true = truth[int(Path(row.path).stem)]
        features[position] = centres[true] + random.normal(scale=2.0, size=_WIDTH)
    return features


def first_page(page: RunningPage, queue: str) -> float:
    """Seconds for what a browser asks for first."""
    started = time.monotonic()
    assert page.client.get("/").status_code == 200
    page.get("/api/state")
    items = page.get("/api/queue", name=queue, limit=60)["items"]
    with ThreadPoolExecutor(6) as pool:  # connections of a browser to one server
        statuses = pool.map(
            lambda item: page.client.get(f"/images/{item['id']}/thumb", params={"v": item["v"]}).status_code, items
        )
        assert set(statuses) == {200}
    return time.monotonic() - started


def decisions(page: RunningPage, ids: Sequence[int]) -> list[float]:
    """Seconds of each decision; every tenth is an undo."""
    seconds = []
    for number, image in enumerate(ids):
        started = time.monotonic()
        if number % 10 == 9:
            answer = page.client.post("/api/undo", json={})
        else:
            change = {"kind": "relabel", "ids": [image], "labels": ["class-0000"]} if number % 2 else None
            answer = page.client.post("/api/edits", json={"edits": [change or {"kind": "keep", "ids": [image]}]})
        assert answer.status_code == 200
        seconds.append(time.monotonic() - started)
    return seconds


def timed(page: RunningPage, path: str, **query: Any) -> float:
    """Milliseconds of a request, the median of five."""
    seconds = []
    for _ in range(5):
        started = time.monotonic()
        page.get(path, **query)
        seconds.append(time.monotonic() - started)
    return 1e3 * float(np.median(seconds))


def report(name: str, seconds: Sequence[float]) -> None:
    median, high = (1e3 * float(np.percentile(seconds, percent)) for percent in (50, 95))
    print(f"| {name} | median {median:.0f} ms, p95 {high:.0f} ms, most {1e3 * max(seconds):.0f} ms |", flush=True)


def megabytes(page: RunningPage) -> str:
    usage = process_usage(page.process.pid)
    return f"{usage.resident_bytes / 1e6:.0f} MB, at most {usage.peak_bytes / 1e6:.0f} MB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--decisions", type=int, default=300)
    parser.add_argument("--skip-check", action="store_true", help="stop before the check of the images has ended")
    arguments = parser.parse_args()
    print(machine("cpu"))
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        run = write_run(Path(folder), rows=arguments.rows, classes=arguments.classes)
        print(
            f"{arguments.rows:,} images of {arguments.classes:,} classes written in {time.monotonic() - started:.0f} s"
        )
        print("\n| | |\n|---|---|")
        measure(run, count=arguments.decisions, checked=not arguments.skip_check)


def measure(run: RunFolder, *, count: int, checked: bool) -> None:
    """Start the page, and print the table."""
    started = time.monotonic()
    with RunningPage(run.path) as page:
        print(f"| from the command to the address of the page | {time.monotonic() - started:.1f} s |", flush=True)
        print(f"| first page, while suspects are worked out | {first_page(page, 'everything'):.2f} s |", flush=True)
        ids = page.get("/api/ids", name="everything")["ids"]
        random = np.random.default_rng(2)
        report("decision, while suspects are worked out", decisions(page, random.choice(ids, count).tolist()))
        while next(queue for queue in page.get("/api/state")["queues"] if queue["name"] == "wrong")["working"]:
            time.sleep(0.5)
        print(f"| suspects are there after | {time.monotonic() - started:.0f} s |", flush=True)
        print(f"| memory then | {megabytes(page)} |", flush=True)
        report("decision, while the images are checked", decisions(page, random.choice(ids, count).tolist()))
        if not checked:
            return
        page.wait_for_queues(timeout_s=7200)
        print(f"| the check is done after | {time.monotonic() - started:.0f} s |", flush=True)
        print(f"| first page of the suspects | {first_page(page, 'wrong'):.2f} s |", flush=True)
        report("decision", decisions(page, random.choice(ids, count).tolist()))
        print(f"| state | {timed(page, '/api/state'):.0f} ms |")
        print(f"| search by name, first | {timed(page, '/api/queue', name='everything', search='77'):.0f} ms |")
        print(f"| what is similar, and all else about an image | {timed(page, '/api/images/5'):.0f} ms |")
        print(f"| memory at the end | {megabytes(page)} |", flush=True)
        started = time.monotonic()
        assert page.client.post("/api/finish", json={}).status_code == 200
        print(f"| cleaned.csv is written in | {time.monotonic() - started:.1f} s |", flush=True)
    started = time.monotonic()
    with RunningPage(run.path) as page:
        page.wait_for_queues(timeout_s=7200)
        print(f"| a second start: everything is there after | {time.monotonic() - started:.1f} s |", flush=True)


if __name__ == "__main__":
    main()
