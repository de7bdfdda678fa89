"""Measure one server: start it, send a request, put it under load, stop it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import uvloop

from tests.benchmarks import load
from tests.benchmarks.environment import Environment
from tests.benchmarks.load import Response
from tests.benchmarks.side_by_side.server import ROUTE, Server
from tests.benchmarks.side_by_side.server_specs import Configuration

_TIMEOUT_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Load:
    """The same for every server: `clients` connections, each sends again as soon as it has its response.

    Attributes:
        images: What is uploaded.
        clients: Number of connections.
        seconds: How long.
        warm_up_s: How long the same load lasts before that.
    """

    images: Sequence[bytes]
    clients: int
    seconds: float
    warm_up_s: float = 2.0


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """Results for one server.

    Attributes:
        requests_per_s: Under load.
        p50_ms: Median latency under load.
        p99_ms: 99th percentile of the latency.
        ready_s: Seconds from the start of the process to the first prediction.
        ready_bytes: Memory after the start.
        loaded_bytes: Memory after the load.
        labels: Of the images, in their order.
        server_s: Processor time of the server's processes for one request.
        client_s: The same of the load generator.
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


def measure_server(
    configuration: Configuration, environment: Environment, load_: Load, *, model: Path, log: Path
) -> Measurement:
    """Measure a server. Raises SystemExit if it does not start, or sends any status but 200."""
    requests = [load.multipart_request(ROUTE, image) for image in load_.images]
    with Server(configuration, environment, model=model, image=load_.images[0], log=log) as server:
        ready_bytes = server.memory_bytes()
        _put_under_load(server, requests, clients=load_.clients, seconds=load_.warm_up_s)
        start_s, server_start_s = time.process_time(), server.processor_s()
        requests_per_s, responses = _put_under_load(server, requests, clients=load_.clients, seconds=load_.seconds)
        server_s = (server.processor_s() - server_start_s) / len(responses)
        client_s = (time.process_time() - start_s) / len(responses)
        loaded_bytes = server.memory_bytes()
        with server.client() as client:
            labels = tuple(server.label(client, image) for image in load_.images)
    return Measurement(
        requests_per_s=requests_per_s,
        p50_ms=load.percentile_ms(responses, 50),
        p99_ms=load.percentile_ms(responses, 99),
        ready_s=server.ready_s,
        ready_bytes=ready_bytes,
        loaded_bytes=loaded_bytes,
        labels=labels,
        server_s=server_s,
        client_s=client_s,
    )


def _put_under_load(
    server: Server, requests: Sequence[bytes], *, clients: int, seconds: float
) -> tuple[float, list[Response]]:
    async def loop() -> tuple[float, list[Response]]:
        async with asyncio.timeout(seconds + _TIMEOUT_S):
            return await load.closed_loop(server.address, requests, clients=clients, seconds=seconds)

    requests_per_s, responses = uvloop.run(loop())
    if others := {response.status for response in responses} - {200}:
        statuses = ", ".join(map(str, sorted(others)))
        raise SystemExit(f"{server.log()}\nThe server above responded with {statuses} (0: the connection ended).")
    return requests_per_s, responses
