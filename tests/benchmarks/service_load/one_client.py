"""The latency of a single client, compared with one thread in process and a route that only reads the body."""

from __future__ import annotations

import itertools
import re
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import uvloop

from service.predictor import Predictor
from tests.benchmarks import load
from tests.benchmarks.load import Address, Connection
from tests.benchmarks.service_load.in_process import predict_for
from tests.benchmarks.service_load.servers.reference import reference_server
from tests.benchmarks.service_load.table import print_row, ratios, spread
from tests.support.server import RunningServer

_TIMING = re.compile(rb"(\w+);dur=([0-9.]+)")


def one_client(bundle: Path, predictor: Predictor, images: Sequence[bytes], *, seconds: float, rounds: int) -> None:
    """Measure thread, echo and service in turns."""
    thread_ms: list[float] = []
    echoes: list[float] = []
    clients: list[float] = []
    here: dict[str, list[float]] = {"decode": [], "infer": []}
    there: dict[str, list[float]] = {}
    raw = [load.raw_request("/v1/predict", image) for image in images]
    to_echo = [load.raw_request("/echo", image) for image in images]
    with RunningServer(bundle, "--log-format", "json") as server, reference_server("echo") as echo:
        for _ in range(rounds):
            done = predict_for(predictor, images, threads=1, seconds=seconds)
            thread_ms.append(1e3 * statistics.median(took for took, _ in done))
            here["decode"].append(statistics.median(prediction.decode_ms for _, prediction in done))
            here["infer"].append(statistics.median(prediction.infer_ms for _, prediction in done))
            for address, requests, medians in ((echo, to_echo, echoes), (server.address, raw, clients)):
                _, responses = uvloop.run(load.closed_loop(address, requests, clients=1, seconds=seconds))
                medians.append(load.percentile_ms(responses, 50))
            for stage, median_ms in uvloop.run(_stages(server.address, raw, seconds=seconds)).items():
                there.setdefault(stage, []).append(median_ms)
    sums = [thread + http for thread, http in zip(thread_ms, echoes, strict=True)]
    print_row("one thread in process, p50", f"{spread(thread_ms, '.2f')} ms")
    print_row("echo route, p50", f"{spread(echoes, '.2f')} ms")
    measured = f"{spread(ratios(clients, sums))}; {statistics.median(clients):.2f} ms"
    print_row("one client, p50 / (thread + echo)", measured, "≤ 1.05")
    for stage, medians in there.items():
        beside = f", in process {spread(here[stage], '.2f')} ms" if stage in here else ""
        print_row(f"one client: {stage}", f"{spread(medians, '.2f')} ms{beside}")


async def _stages(address: Address, requests: Sequence[bytes], *, seconds: float) -> dict[str, float]:
    """Return the median of each stage in the Server-Timing of the responses, in ms."""
    found: dict[str, list[float]] = {}
    connection = await Connection.open(address)
    deadline = time.perf_counter() + seconds
    for request in itertools.cycle(requests):
        if time.perf_counter() > deadline:
            break
        await connection.send_and_wait(request)
        for stage, duration_ms in _TIMING.findall(connection.head):
            found.setdefault(stage.decode(), []).append(float(duration_ms))
    connection.close()
    return {stage: statistics.median(durations_ms) for stage, durations_ms in found.items()}
