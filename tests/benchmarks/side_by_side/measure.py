"""One turn of one contender: started, asked, loaded, stopped."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import uvloop

from tests.benchmarks import load
from tests.benchmarks.environment import Environment
from tests.benchmarks.load import Answer
from tests.benchmarks.side_by_side.contender import Configuration
from tests.benchmarks.side_by_side.server import ROUTE, Server

_PATIENCE_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Load:
    """What every server gets: `clients` connections, each of which asks again as soon as it has its answer.

    warm_up_s  of the same before `seconds` begin
    """

    images: Sequence[bytes]
    clients: int
    seconds: float
    warm_up_s: float = 2.0


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What was measured.

    labels    of the images, in their order
    server_s  processor time that the server's processes took for one request
    client_s  the same of the load generator
    """

    requests_per_s: float
    p50_ms: float
    p99_ms: float
    ready_s: float
    ready_bytes: int
    loaded_bytes: int
    labels: tuple[str, ...]
    server_s: float
    client_s: float


def take_turn(configuration: Configuration, environment: Environment, load_: Load, *, model: Path, log: Path) -> Turn:
    """Measure a server. Raises SystemExit where it does not start, or answers anything but 200."""
    requests = [load.multipart_request(ROUTE, image) for image in load_.images]
    with Server(configuration, environment, model=model, image=load_.images[0], log=log) as server:
        ready_bytes = server.memory_bytes()
        _ask(server, requests, clients=load_.clients, seconds=load_.warm_up_s)
        begun_s, server_begun_s = time.process_time(), server.processor_s()
        rate, answers = _ask(server, requests, clients=load_.clients, seconds=load_.seconds)
        server_s = (server.processor_s() - server_begun_s) / len(answers)
        client_s = (time.process_time() - begun_s) / len(answers)
        loaded_bytes = server.memory_bytes()
        with server.client() as client:
            labels = tuple(server.label(client, image) for image in load_.images)
    return Turn(
        requests_per_s=rate,
        p50_ms=load.percentile_ms(answers, 50),
        p99_ms=load.percentile_ms(answers, 99),
        ready_s=server.ready_s,
        ready_bytes=ready_bytes,
        loaded_bytes=loaded_bytes,
        labels=labels,
        server_s=server_s,
        client_s=client_s,
    )


def _ask(server: Server, requests: Sequence[bytes], *, clients: int, seconds: float) -> tuple[float, list[Answer]]:
    async def loop() -> tuple[float, list[Answer]]:
        async with asyncio.timeout(seconds + _PATIENCE_S):
            return await load.closed_loop(server.address, requests, clients=clients, seconds=seconds)

    rate, answers = uvloop.run(loop())
    if others := {answer.status for answer in answers} - {200}:
        statuses = ", ".join(map(str, sorted(others)))
        raise SystemExit(f"{server.log()}\nThe server above answered with {statuses} (0: the connection ended).")
    return rate, answers
