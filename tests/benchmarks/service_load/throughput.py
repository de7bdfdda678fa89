"""Closed loop, more clients than slots: how close the service comes to its own decoder and network."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import uvloop

from service.predictor import Predictor
from tests.benchmarks import load
from tests.benchmarks.load import Address
from tests.benchmarks.process import thread_processor_s
from tests.benchmarks.service_load.in_process import durations
from tests.benchmarks.service_load.servers.reference import reference_server
from tests.benchmarks.service_load.table import print_row, ratio, ratios, spread
from tests.support.server import RunningServer

_IDLE = "tests.benchmarks.service_load.servers.idle"


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Images per second in process, and processor time of an image there and of a raw request, in ms."""

    floor: float
    image_ms: float
    request_ms: float


@dataclass(frozen=True, kw_only=True)
class Saturation:
    """Responses per second, and the processor time of one in ms: of the event loop, the workers and the client."""

    per_second: float
    loop_ms: float
    worker_ms: float
    client_ms: float


def throughput(
    bundle: Path, predictor: Predictor, images: Sequence[bytes], *, slots: int, seconds: float, rounds: int
) -> Costs:
    """Measure floor, service and the smallest ASGI application in turns."""
    floors, image_ms, bares = [], [], []
    raws: list[Saturation] = []
    forms: list[Saturation] = []
    idles: list[Saturation] = []
    raw = [load.raw_request("/v1/predict", image) for image in images]
    form = [load.multipart_request("/v1/predict", image) for image in images]
    clients, flags = 3 * slots, ("--log-format", "json")
    with (
        RunningServer(bundle, *flags) as server,
        RunningServer(bundle, *flags, module=_IDLE) as idle,
        reference_server("bare", bundle) as bare,
    ):
        for _ in range(rounds):
            own_s = time.process_time()
            count = len(durations(predictor, images, threads=slots, seconds=seconds))
            image_ms.append(1e3 * (time.process_time() - own_s) / count)
            floors.append(count / seconds)
            for running, requests, measured in ((server, raw, raws), (server, form, forms), (idle, raw, idles)):
                measured.append(_measure(running, requests, clients=clients, seconds=seconds))
            bares.append(_saturate(bare, raw, clients=clients, seconds=seconds)[0])
    print_row("floor: decode and inference in process", f"{spread(floors, '.1f')} images/s")
    for name, measured, goal in (("raw bodies", raws, "≥ 0.95"), ("multipart", forms, "")):
        speeds = [each.per_second for each in measured]
        print_row(
            f"saturation, {name} / floor", f"{spread(ratios(speeds, floors))}; {statistics.median(speeds):.1f}/s", goal
        )
    print_row(
        "the smallest ASGI application / floor", f"{spread(ratios(bares, floors))}; {statistics.median(bares):.1f}/s"
    )
    speeds = [each.per_second for each in raws]
    print_row("saturation, raw bodies / the smallest ASGI application", f"{ratio(speeds, bares):.3f}")
    print_row("processor time of an image in process", f"{spread(image_ms, '.2f')} ms")
    print_row("processor time of a raw request: the workers", f"{spread([each.worker_ms for each in raws], '.2f')} ms")
    print_row("the event loop", f"{spread([each.loop_ms for each in raws], '.2f')} ms")
    print_row("the load generator", f"{spread([each.client_ms for each in raws], '.2f')} ms")
    print_row("the event loop, if the workers compute nothing", f"{spread([each.loop_ms for each in idles], '.2f')} ms")
    print_row("the workers, if they compute nothing", f"{spread([each.worker_ms for each in idles], '.2f')} ms")
    return Costs(
        floor=statistics.median(floors),
        image_ms=statistics.median(image_ms),
        request_ms=statistics.median(each.worker_ms + each.loop_ms + each.client_ms for each in raws),
    )


def _measure(server: RunningServer, requests: Sequence[bytes], *, clients: int, seconds: float) -> Saturation:
    own_s, before = time.process_time(), thread_processor_s(server.process.pid)
    per_second, count = _saturate(server.address, requests, clients=clients, seconds=seconds)
    client_s = time.process_time() - own_s
    spent_s = {thread: now - before.get(thread, 0) for thread, now in thread_processor_s(server.process.pid).items()}
    loop_s = spent_s.pop(server.process.pid)
    loop_ms, worker_ms, client_ms = (1e3 * spent / count for spent in (loop_s, sum(spent_s.values()), client_s))
    return Saturation(per_second=per_second, loop_ms=loop_ms, worker_ms=worker_ms, client_ms=client_ms)


def _saturate(address: Address, requests: Sequence[bytes], *, clients: int, seconds: float) -> tuple[float, int]:
    per_second, responses = uvloop.run(load.closed_loop(address, requests, clients=clients, seconds=seconds))
    assert {response.status for response in responses} == {200}
    return per_second, len(responses)
