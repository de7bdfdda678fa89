"""The bound of resident memory, enforced, with the largest requests that are taken.

    python -m tests.benchmarks.memory BUNDLE [--threads 2] [--max-pixels 50000000] [--queue-per-slot 4] [--rounds 3]

The service holds at most

    base + model                            what it has when it is ready
    + (slots + queue) x 2 x max_body        a body, and a copy of it while a form is taken apart
    + slots x (12 bytes x max_pixels        the most that an image takes to decode
               + activations)               what onnxruntime and the codecs need for a small image more than before any

It runs under a limit of exactly that: in a control group, where whoever needs more is killed, or else (where this
machine lets us make none) with an RLIMIT_DATA. Each round is twice as many uploads at once as there are permits, so
that every slot works on the largest image of one kind, the queue is full, and the surplus is refused; every body is as
long as it may be. Exits with 1 where the service was killed, answered anything but 200 and 429, or came over the bound.
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

from service.settings import Settings
from tests.benchmarks import load
from tests.benchmarks.load import Address, Connection
from tests.benchmarks.process import holdings
from tests.support.images import accepted_formats, blocks, encode
from tests.support.largest import largest_images
from tests.support.memory_limit import ControlGroup, DataLimit, memory_limit
from tests.support.server import RunningServer

BYTES_PER_PIXEL = 12


@dataclass(frozen=True, kw_only=True)
class Load:
    """What is asked of the service, and how often; the defaults are its own."""

    threads: int
    max_pixels: int
    queue_per_slot: int = Settings().queue_per_slot
    max_body_bytes: int = Settings().max_body_bytes
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
            # Decoding the largest image takes seconds, and the last one waits for all the others.
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
    """Ask for the most, and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--max-pixels", type=int, default=50_000_000)
    parser.add_argument("--queue-per-slot", type=int, default=Settings().queue_per_slot)
    parser.add_argument("--rounds", type=int, default=3)
    options = vars(parser.parse_args())
    bundle, asked = options.pop("bundle"), Load(**options)
    with (
        memory_limit() as limit,
        RunningServer(bundle, *asked.flags, within=limit.within) as server,
    ):
        bound = enforce(limit, server, asked)
        print(
            f"{limit.name} of {bound.most_bytes / 1e6:.0f} MB; ready {bound.ready_bytes / 1e6:.0f} MB, activations "
            f"{bound.activations_bytes / 1e6:.0f} MB a slot, {asked.permits} permits, {asked.rounds} rounds\n\n"
            "| largest image | answers | peak MB |\n|---|---|---|"
        )
        rounds = []
        for each in ask_for_the_most(server, asked):
            rounds.append(each)
            print(f"| {each.kind} | {dict(each.statuses)} | {each.peak_bytes / 1e6:.0f} |", flush=True)
        killed = limit.times_exceeded()
    peak = max(each.peak_bytes for each in rounds)
    print(f"\npeak {peak / 1e6:.0f} MB, bound {bound.most_bytes / 1e6:.0f} MB, killed {killed} times")
    answered = set().union(*(each.statuses for each in rounds)) <= {200, 429}
    return int(killed > 0 or not answered or peak > bound.most_bytes)


def enforce(limit: ControlGroup | DataLimit, server: RunningServer, asked: Load, *, spare_bytes: int = 0) -> Bound:
    """Have the limit hold for a service that is ready, and has answered for a small image of each format."""
    ready = holdings(server.process.pid).resident_bytes
    for kind in accepted_formats():
        small = load.raw_request("/v1/predict", encode(blocks(4, 3), kind))
        uvloop.run(ask_at_once(server.address, [small] * asked.permits))
    warm = holdings(server.process.pid).resident_bytes
    activations = max(0, warm - ready) // asked.threads
    most = ready + asked.permits * 2 * asked.max_body_bytes
    most += asked.threads * (BYTES_PER_PIXEL * asked.max_pixels + activations) + spare_bytes
    limit.set(server.process.pid, resident_bytes=warm, most_bytes=most)
    return Bound(ready_bytes=ready, activations_bytes=activations, most_bytes=most)


def ask_for_the_most(server: RunningServer, asked: Load) -> Iterator[Round]:
    """One kind of image after the other."""
    for kind, request in largest_requests(server, asked):
        Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")  # the peak begins anew
        statuses: Counter[int] = Counter()
        for _ in range(asked.rounds):
            statuses += Counter(uvloop.run(ask_at_once(server.address, [request] * 2 * asked.permits)))
        if 0 in statuses:
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.process.wait(timeout=5)
        if server.process.poll() is not None:
            yield Round(kind=kind, statuses=statuses, peak_bytes=0)
            return
        yield Round(kind=kind, statuses=statuses, peak_bytes=holdings(server.process.pid).peak_bytes)


def largest_requests(server: RunningServer, asked: Load) -> Iterator[tuple[str, bytes]]:
    """Every kind of image as a form, one also as base64 in JSON; each body of nearly `max_body_bytes`."""
    length = asked.max_body_bytes - 200
    for number, (kind, image) in enumerate(largest_images(asked.max_pixels)):
        yield kind, load.multipart_request("/v1/predict", image.ljust(length, b"\0"))
        if number == 0:
            text = base64.b64encode(image.ljust(3 * (length // 4), b"\0")).decode()
            name = httpx.get(server.url + "/v1/model").json()["name"]
            yield f"{kind}, in JSON", load.json_request(f"/models/{name}", json.dumps({"inputs": text}))


async def ask_at_once(address: Address, requests: list[bytes]) -> list[int]:
    """Each on a connection of its own; the statuses, 0 where it ended."""

    async def one(request: bytes) -> int:
        try:
            connection = await Connection.open(address)
        except ConnectionError:
            return 0
        status = await connection.ask(request)
        connection.close()
        return status

    return await asyncio.gather(*(one(request) for request in requests))


if __name__ == "__main__":
    sys.exit(main())
