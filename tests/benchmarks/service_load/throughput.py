"""Closed loop, more clients than slots: how near the service comes to its own decoder and network."""

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
from tests.benchmarks.service_load.figures import ratio, ratios, row, spread
from tests.benchmarks.service_load.in_process import durations
from tests.benchmarks.service_load.servers.split import side_server
from tests.support.server import RunningServer

_IDLE = "tests.benchmarks.service_load.servers.idle"


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What was found: images a second in process, and processor time of an image there and of a raw request, in ms."""

    floor: float
    image_ms: float
    request_ms: float


@dataclass(frozen=True, kw_only=True)
class Turn:
    """Answers a second, and the processor time of one: milliseconds of the event loop, the workers and the client."""

    rate: float
    loop_ms: float
    worker_ms: float
    client_ms: float


def throughput(
    bundle: Path, predictor: Predictor, images: Sequence[bytes], *, slots: int, seconds: float, rounds: int
) -> Costs:
    """Floor, service and the least ASGI application, taking turns."""
    floors, image_ms, bares = [], [], []
    raws: list[Turn] = []
    forms: list[Turn] = []
    idles: list[Turn] = []
    raw = [load.raw_request("/v1/predict", image) for image in images]
    form = [load.multipart_request("/v1/predict", image) for image in images]
    clients, flags = 3 * slots, ("--log-format", "json")
    with (
        RunningServer(bundle, *flags) as server,
        RunningServer(bundle, *flags, module=_IDLE) as idle,
        side_server("bare", bundle) as bare,
    ):
        for _ in range(rounds):
            own_s = time.process_time()
            count = len(durations(predictor, images, threads=slots, seconds=seconds))
            image_ms.append(1e3 * (time.process_time() - own_s) / count)
            floors.append(count / seconds)
            for running, requests, turns in ((server, raw, raws), (server, form, forms), (idle, raw, idles)):
                turns.append(_turn(running, requests, clients=clients, seconds=seconds))
            bares.append(_saturate(bare, raw, clients=clients, seconds=seconds)[0])
    row("floor: decode and inference in process", f"{spread(floors, '.1f')} images/s")
    for name, turns, goal in (("raw bodies", raws, "≥ 0.95"), ("multipart", forms, "")):
        rates = [turn.rate for turn in turns]
        row(f"saturation, {name} / floor", f"{spread(ratios(rates, floors))}; {statistics.median(rates):.1f}/s", goal)
    row("the least ASGI application / floor", f"{spread(ratios(bares, floors))}; {statistics.median(bares):.1f}/s")
    rates = [turn.rate for turn in raws]
    row("saturation, raw bodies / the least ASGI application", f"{ratio(rates, bares):.3f}")
    row("processor time of an image in process", f"{spread(image_ms, '.2f')} ms")
    row("processor time of a raw request: the workers", f"{spread([turn.worker_ms for turn in raws], '.2f')} ms")
    row("the event loop", f"{spread([turn.loop_ms for turn in raws], '.2f')} ms")
    row("the load's client", f"{spread([turn.client_ms for turn in raws], '.2f')} ms")
    row("the event loop, where the workers compute nothing", f"{spread([turn.loop_ms for turn in idles], '.2f')} ms")
    row("the workers, where they compute nothing", f"{spread([turn.worker_ms for turn in idles], '.2f')} ms")
    return Costs(
        floor=statistics.median(floors),
        image_ms=statistics.median(image_ms),
        request_ms=statistics.median(turn.worker_ms + turn.loop_ms + turn.client_ms for turn in raws),
    )


def _turn(server: RunningServer, requests: Sequence[bytes], *, clients: int, seconds: float) -> Turn:
    own_s, before = time.process_time(), thread_processor_s(server.process.pid)
    rate, count = _saturate(server.address, requests, clients=clients, seconds=seconds)
    client_s = time.process_time() - own_s
    spent_s = {thread: now - before.get(thread, 0) for thread, now in thread_processor_s(server.process.pid).items()}
    loop_s = spent_s.pop(server.process.pid)
    loop_ms, worker_ms, client_ms = (1e3 * spent / count for spent in (loop_s, sum(spent_s.values()), client_s))
    return Turn(rate=rate, loop_ms=loop_ms, worker_ms=worker_ms, client_ms=client_ms)


def _saturate(address: Address, requests: Sequence[bytes], *, clients: int, seconds: float) -> tuple[float, int]:
    rate, answers = uvloop.run(load.closed_loop(address, requests, clients=clients, seconds=seconds))
    assert {answer.status for answer in answers} == {200}
    return rate, len(answers)
