"""Very many mixed requests: does the service use more and more memory, files or threads?

    python -m tests.benchmarks.soak BUNDLE IMAGE... [--requests 100000]

Photos of every size and encoding as raw bodies and as forms, heatmaps, the input of the model, truncated images,
nonsense, unknown paths, wrong methods, bodies that are too large, clients that disconnect in the middle of a request.
Prints resident memory, open files and threads ten times. Exits with 1 if the last sample has more than the first one
after the warm-up (more than 5 % and 8 MB of memory, or any more files or threads), or any response was 500.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import io
import itertools
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import uvloop
from PIL import Image

from tests.benchmarks import load
from tests.benchmarks.images import read_images
from tests.benchmarks.load import Address, Connection
from tests.benchmarks.process import ProcessUsage, process_usage
from tests.support.server import RunningServer

SAMPLES = 10


def main() -> int:
    """Send requests, sample, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("images", type=Path, nargs="+")
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--clients", type=int, default=8)
    options = parser.parse_args()
    requests = mixed_requests(read_images(options.images, most=48))
    statuses: collections.Counter[int] = collections.Counter()
    samples = []
    print("| requests | resident MB | peak MB | files | threads | seconds |\n|---|---|---|---|---|---|")
    started = time.perf_counter()
    with RunningServer(options.bundle, "--log-format", "json") as server:
        for number in range(1, SAMPLES + 1):
            count = options.requests // SAMPLES
            statuses += uvloop.run(send(server.address, requests, count=count, clients=options.clients))
            time.sleep(1)  # for connections that have ended
            sample = process_usage(server.process.pid)
            samples.append(sample)
            print(
                f"| {number * count} | {sample.resident_bytes / 1e6:.1f} | {sample.peak_bytes / 1e6:.1f} "
                f"| {sample.files} | {sample.threads} | {time.perf_counter() - started:.0f} |",
                flush=True,
            )
    print("statuses (0: the connection ended):", dict(sorted(statuses.items())))
    return int(grew(samples[1], samples[-1]) or 500 in statuses)


def grew(first: ProcessUsage, last: ProcessUsage) -> bool:
    """Return whether memory, files or threads grew between two samples; the first tenth of the requests warms up."""
    more_bytes = last.resident_bytes - first.resident_bytes
    return (
        more_bytes > max(8e6, 0.05 * first.resident_bytes) or last.files > first.files or last.threads > first.threads
    )


def mixed_requests(photos: Sequence[bytes]) -> list[bytes]:
    """Make one round of all kinds of requests; mostly photos."""
    requests = [
        request
        for photo in photos
        for request in (
            load.raw_request("/v1/predict", photo),
            load.multipart_request("/analyze", photo),
            load.raw_request("/v1/predict?heatmap=true", photo),
        )
    ]
    for number, photo in enumerate(photos[:12]):
        kind = ("PNG", "WEBP", "BMP", "GIF", "AVIF", "JPEG")[number % 6]
        requests.append(load.raw_request("/v1/predict?return=input", encoded(photo, kind, scale=1 + number % 3)))
        requests.append(load.raw_request("/v1/predict", photo[: len(photo) * (number + 1) // 14]))
        requests.append(load.multipart_request("/v1/predict", photo)[:-20] + b"x" * 20)
        requests.append(
            load.get_request(("/", "/v1/model", "/metrics", "/nothing", "/v1/predict", "/livez")[number % 6])
        )
    too_large = b"POST /analyze HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 999999999\r\n\r\n"
    return [*requests, too_large, load.raw_request("/analyze", b"nonsense"), b"nonsense\r\n\r\n"]


def encoded(photo: bytes, kind: str, *, scale: int) -> bytes:
    """Encode the same photo, larger and in another format."""
    image = Image.open(io.BytesIO(photo)).convert("RGB")
    file = io.BytesIO()
    image.resize((scale * image.width, scale * image.height)).save(file, kind)
    return file.getvalue()


async def send(address: Address, requests: Sequence[bytes], *, count: int, clients: int) -> collections.Counter[int]:
    """Send `count` requests; in every fiftieth the client disconnects in the middle."""
    statuses: collections.Counter[int] = collections.Counter()
    source = zip(range(count), itertools.cycle(requests), strict=False)

    async def client() -> None:
        connection = await Connection.open(address)
        for number, request in source:
            if number % 50 == 0:
                connection.send(request[: len(request) // 2])
                await asyncio.sleep(0.01)
                status = 0
            else:
                status = await connection.send_and_wait(request)
            statuses[status] += 1
            if status not in (200, 304):
                connection.close()
                connection = await Connection.open(address)
        connection.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    return statuses


if __name__ == "__main__":
    sys.exit(main())
