"""Open loop: requests arrive at random times, at 70 % of what the service can process and at 300 %."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import uvloop

from service.predictor import Predictor
from tests.benchmarks import load
from tests.benchmarks.load import Address, Response
from tests.benchmarks.service_load.in_process import durations
from tests.benchmarks.service_load.table import print_row, spread
from tests.benchmarks.service_load.throughput import Costs
from tests.support.server import RunningServer

_QUEUE_PER_SLOT = 4


def poisson(
    bundle: Path,
    predictor: Predictor,
    images: Sequence[bytes],
    *,
    costs: Costs,
    slots: int,
    seconds: float,
    rounds: int,
) -> None:
    """Compare 70 % load with a simulated queue with the same arrivals and measured service times.

    And with the same queue if each request takes longer by the processor time that it needs beyond decoding and
    inference: client, event loop and workers share the cores, so this simulates the queue for the cores.
    """
    raw = [load.raw_request("/v1/predict", image) for image in images]
    found: list[float] = []
    to_ideal: list[float] = []
    to_costly: list[float] = []
    late: list[float] = []
    with RunningServer(bundle, "--log-format", "json", "--queue-per-slot", "500") as server:
        for seed in range(rounds):
            service_s = np.array(durations(predictor, images, threads=slots, seconds=seconds))
            due_s = load.poisson_arrivals(0.7 * costs.floor, 2 * seconds, seed=seed)
            responses = uvloop.run(load.open_loop(server.address, raw, due_s))
            assert {response.status for response in responses} == {200}
            found.append(load.percentile_ms(responses, 99))
            for factor, ratios in ((1.0, to_ideal), (costs.request_ms / costs.image_ms, to_costly)):
                simulated = load.simulate_queue(due_s, factor * service_s, servers=slots)
                ratios.append(found[-1] / (1e3 * float(np.percentile(simulated, 99))))
            late.append(1e3 * float(np.percentile(service_s, 99)))
    measured = f"{spread(to_ideal, '.2f')}; {statistics.median(found):.0f} ms"
    print_row("Poisson arrivals at 70 %, p99 / simulated queue's", measured, "≤ 1.2")
    print_row("the same, with the processor time of a whole request", spread(to_costly, ".2f"))
    print_row("p99 of an image in process meanwhile", f"{spread(late, '.1f')} ms")


def overload(
    bundle: Path, predictor: Predictor, images: Sequence[bytes], *, costs: Costs, slots: int, seconds: float
) -> None:
    """Measure 300 % load."""
    raw = [load.raw_request("/v1/predict", image) for image in images]
    service_ms = 1e3 * statistics.mean(durations(predictor, images, threads=slots, seconds=seconds))
    with RunningServer(bundle, "--log-format", "json", "--queue-per-slot", str(_QUEUE_PER_SLOT)) as server:
        due_s = load.poisson_arrivals(3 * costs.floor, seconds, seed=0)
        responses, probes = uvloop.run(_overloaded(server.address, raw, due_s))
    served = [response for response in responses if response.status == 200]
    refused = [response for response in responses if response.status == 429]
    bound_ms = (1 + _QUEUE_PER_SLOT) * service_ms * 1.3
    print_row("at 300 %: answered", f"{len(served) / due_s[-1]:.1f}/s of {len(responses) / due_s[-1]:.1f}/s")
    print_row("at 300 %: neither 200 nor 429", str(len(responses) - len(served) - len(refused)), "0")
    print_row("at 300 %: p99 of the admitted", f"{load.percentile_ms(served, 99):.0f} ms", f"≤ {bound_ms:.0f} ms")
    print_row("at 300 %: p99 of the 429", f"{load.percentile_ms(refused, 99):.1f} ms", "≤ 50 ms")
    print_row("at 300 %: p99 of /livez", f"{load.percentile_ms(probes, 99):.1f} ms", "≤ 50 ms")


async def _overloaded(
    address: Address, requests: Sequence[bytes], due_s: npt.NDArray[np.float64]
) -> tuple[list[Response], list[Response]]:
    """Send the load, and a probe of /livez ten times a second beside it."""
    probes_s = np.arange(0.1, due_s[-1], 0.1)
    responses, probes = await asyncio.gather(
        load.open_loop(address, requests, due_s), load.open_loop(address, [load.get_request("/livez")], probes_s)
    )
    return responses, probes
