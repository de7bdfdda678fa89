"""The bound of resident memory, enforced, with the largest accepted requests.

    python -m tests.benchmarks.memory BUNDLE [--threads 2] [--max-pixels 50000000] [--queue-per-slot 4] [--rounds 3]

The service uses at most

    base + model                            its memory when it is ready
    + (slots + queue) x 2 x max_body        a body, and a copy of it while a form is parsed
    + slots x (12 bytes x max_pixels        the most that decoding an image needs
               + activations)               what onnxruntime and the codecs need for the first small image

It runs under a limit of exactly that: in a control group, which kills a process that needs more, or (if this machine
allows none) with an RLIMIT_DATA. Each round is twice as many uploads at once as there are permits, so that every slot
processes the largest image of one kind, the queue is full, and the rest is refused; every body has the largest accepted
length. Exits with 1 if the service was killed, sent any status but 200 and 429, or exceeded the bound.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import uvloop

from service.pixels.jpeg import END_OF_IMAGE
from service.settings import Settings
from tests.benchmarks import load
from tests.benchmarks.load import Address, Connection
from tests.benchmarks.process import process_usage
from tests.support.images import accepted_formats, blocks, encode
from tests.support.largest import largest_images
from tests.support.memory_limit import ControlGroup, DataLimit, memory_limit
from tests.support.server import RunningServer

BYTES_PER_PIXEL = 12
UPLOAD_BYTES = 384 * 1024


@dataclass(frozen=True, kw_only=True)
class Load:
    """The requests to the service, and its settings; the defaults are its own."""

    threads: int
    max_pixels: int
    queue_per_slot: int = Settings().queue_per_slot
    max_body_bytes: int = Settings().max_body_bytes
    max_upload_memory: int = Settings().max_upload_memory
    rounds: int = 1

    @property
    def permits(self) -> int:
        return self.threads * (1 + self.queue_per_slot)

    @property
    def flags(self) -> list[str]:
        settings = {
            "--threads": self.threads,
            "--queue-per-slot": self.queue_per_slot,
            "--max-pixels": self.max_pixels,
            "--max-body-bytes": self.max_body_bytes,
            "--max-upload-memory": self.max_upload_memory,
            # Decoding the largest image takes seconds, and the last request waits for all the others.
            "--deadline-s": 600,
            "--body-timeout-s": 120,
        }
        return [str(word) for setting in settings.items() for word in setting]


@dataclass(frozen=True, kw_only=True)
class Bound:
    """Memory when it is ready, of the model for one image, and at most: bytes."""

    ready_bytes: int
    activations_bytes: int
    most_bytes: int


@dataclass(frozen=True, kw_only=True)
class Round:
    """What came of one kind of image: statuses (0: the connection ended), and the peak of resident memory, bytes."""

    kind: str
    statuses: Counter[int]
    peak_bytes: int


def main() -> int:
    """Send the largest requests, and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--max-pixels", type=int, default=50_000_000)
    parser.add_argument("--queue-per-slot", type=int, default=Settings().queue_per_slot)
    parser.add_argument("--rounds", type=int, default=3)
    options = vars(parser.parse_args())
    bundle, load_ = options.pop("bundle"), Load(**options)
    with (
        memory_limit() as limit,
        RunningServer(bundle, *load_.flags, within=limit.within) as server,
    ):
        bound = enforce(limit, server, load_)
        print(
            f"{limit.name} of {bound.most_bytes / 1e6:.0f} MB; ready {bound.ready_bytes / 1e6:.0f} MB, activations "
            f"{bound.activations_bytes / 1e6:.0f} MB a slot, {load_.permits} permits, {load_.rounds} rounds\n\n"
            "| largest image | responses | peak MB |\n|---|---|---|"
        )
        rounds = []
        for each in send_largest_requests(server, load_):
            rounds.append(each)
            print(f"| {each.kind} | {dict(each.statuses)} | {each.peak_bytes / 1e6:.0f} |", flush=True)
        killed = limit.times_exceeded()
    peak = max(each.peak_bytes for each in rounds)
    print(f"\npeak {peak / 1e6:.0f} MB, bound {bound.most_bytes / 1e6:.0f} MB, killed {killed} times")
    statuses_ok = set().union(*(each.statuses for each in rounds)) <= {200, 429}
    return int(killed > 0 or not statuses_ok or peak > bound.most_bytes)


def enforce(limit: ControlGroup | DataLimit, server: RunningServer, load_: Load, *, spare_bytes: int = 0) -> Bound:
    """Apply the limit to a service that is ready and has processed a small image of each format."""
    ready = process_usage(server.process.pid).resident_bytes
    for kind in accepted_formats():
        small = load.raw_request("/v1/predict", encode(blocks(4, 3), kind))
        uvloop.run(send_at_once(server.address, [small] * load_.permits))
    warm = process_usage(server.process.pid).resident_bytes
    activations = max(0, warm - ready) // load_.threads
    most = ready + (3 * load_.threads + load_.threads * load_.queue_per_slot + 1) * load_.max_body_bytes
    most += max(load_.max_upload_memory, load_.max_body_bytes + UPLOAD_BYTES)
    most += load_.threads * (BYTES_PER_PIXEL * load_.max_pixels + activations) + spare_bytes
    limit.set(server.process.pid, resident_bytes=warm, most_bytes=most)
    return Bound(ready_bytes=ready, activations_bytes=activations, most_bytes=most)


def send_largest_requests(server: RunningServer, load_: Load) -> Iterator[Round]:
    """Send one kind of image after the other."""
    for kind, request in largest_requests(server, load_):
        Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")  # resets the peak
        statuses: Counter[int] = Counter()
        for _ in range(load_.rounds):
            statuses += Counter(uvloop.run(send_at_once(server.address, [request] * 2 * load_.permits)))
        if 0 in statuses:
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.process.wait(timeout=5)
        if server.process.poll() is not None:
            yield Round(kind=kind, statuses=statuses, peak_bytes=0)
            return
        yield Round(kind=kind, statuses=statuses, peak_bytes=process_usage(server.process.pid).peak_bytes)


def largest_requests(server: RunningServer, load_: Load) -> Iterator[tuple[str, bytes]]:
    """Make a form of every kind of image, one also as base64 in JSON; each body has nearly `max_body_bytes`."""
    length = load_.max_body_bytes - 200
    for number, (kind, image) in enumerate(largest_images(load_.max_pixels)):
        yield kind, load.multipart_request("/v1/predict", image.ljust(length, b"\0"))
        if number == 0:
            text = base64.b64encode(image.ljust(3 * (length // 4), b"\0")).decode()
            name = httpx.get(server.url + "/v1/model").json()["name"]
            yield f"{kind}, in JSON", load.json_request(f"/models/{name}", json.dumps({"inputs": text}))
            kept = 76 * (len(text) // 80)  # a line break in JSON has two characters
            lines = "\n".join(text[start : start + 76] for start in range(0, kept, 76))
            yield f"{kind}, in lines", load.json_request(f"/models/{name}", json.dumps({"inputs": lines}))
        if image.endswith(END_OF_IMAGE):
            lacking = image[:2] + _comments(length - len(image)) + image[2:-2]
            yield f"{kind}, without its end marker", load.multipart_request("/v1/predict", lacking)


def _comments(length: int) -> bytes:
    """Comments of a JPEG, together of about this length."""
    comment = b"\xff\xfe\xff\xff" + bytes(65533)
    return comment * (length // len(comment))


async def send_at_once(address: Address, requests: list[bytes]) -> list[int]:
    """Send each on a connection of its own; returns the statuses, 0 if the connection ended."""

    async def one(request: bytes) -> int:
        try:
            connection = await Connection.open(address)
        except ConnectionError:
            return 0
        status = await connection.send_and_wait(request)
        connection.close()
        return status

    return await asyncio.gather(*(one(request) for request in requests))


if __name__ == "__main__":
    sys.exit(main())
