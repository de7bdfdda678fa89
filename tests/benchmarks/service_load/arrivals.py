"""Open loop: requests come when they come, at 70 % of what the service can do and at 300 %."""

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
from tests.benchmarks.load import Address, Answer
from tests.benchmarks.service_load.figures import row, spread
from tests.benchmarks.service_load.in_process import durations
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
    """At 70 %, against a simulated queue with the same arrivals and measured service times.

    And against the same queue where each request takes as much longer as it takes processor time beyond decoding and
    inference: client, event loop and workers share the cores, and the queue at these is what is simulated then.
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
            answers = uvloop.run(load.open_loop(server.address, raw, due_s))
            assert {answer.status for answer in answers} == {200}
            found.append(load.percentile_ms(answers, 99))
            for share, against in ((1.0, to_ideal), (costs.request_ms / costs.image_ms, to_costly)):
                simulated = load.simulate_queue(due_s, share * service_s, servers=slots)
                against.append(found[-1] / (1e3 * float(np.percentile(simulated, 99))))
            late.append(1e3 * float(np.percentile(service_s, 99)))
    measured = f"{spread(to_ideal, '.2f')}; {statistics.median(found):.0f} ms"
    row("Poisson arrivals at 70 %, p99 / simulated queue's", measured, "≤ 1.2")
    row("the same, with the processor time of a whole request", spread(to_costly, ".2f"))
    row("p99 of an image in process meanwhile", f"{spread(late, '.1f')} ms")


def overload(
    bundle: Path, predictor: Predictor, images: Sequence[bytes], *, costs: Costs, slots: int, seconds: float
) -> None:
    """At 300 %."""
    raw = [load.raw_request("/v1/predict", image) for image in images]
    service_ms = 1e3 * statistics.mean(durations(predictor, images, threads=slots, seconds=seconds))
    with RunningServer(bundle, "--log-format", "json", "--queue-per-slot", str(_QUEUE_PER_SLOT)) as server:
        due_s = load.poisson_arrivals(3 * costs.floor, seconds, seed=0)
        answers, probes = uvloop.run(_overloaded(server.address, raw, due_s))
    served = [answer for answer in answers if answer.status == 200]
    surplus = [answer for answer in answers if answer.status == 429]
    bound_ms = (1 + _QUEUE_PER_SLOT) * service_ms * 1.3
    row("at 300 %: answered", f"{len(served) / due_s[-1]:.1f}/s of {len(answers) / due_s[-1]:.1f}/s")
    row("at 300 %: neither 200 nor 429", str(len(answers) - len(served) - len(surplus)), "0")
    row("at 300 %: p99 of the admitted", f"{load.percentile_ms(served, 99):.0f} ms", f"≤ {bound_ms:.0f} ms")
    row("at 300 %: p99 of the 429", f"{load.percentile_ms(surplus, 99):.1f} ms", "≤ 50 ms")
    row("at 300 %: p99 of /livez", f"{load.percentile_ms(probes, 99):.1f} ms", "≤ 50 ms")


async def _overloaded(
    address: Address, requests: Sequence[bytes], due_s: npt.NDArray[np.float64]
) -> tuple[list[Answer], list[Answer]]:
    """The load, and a probe of /livez ten times a second beside it."""
    probes_s = np.arange(0.1, due_s[-1], 0.1)
    answers, probes = await asyncio.gather(
        load.open_loop(address, requests, due_s), load.open_loop(address, [load.get_request("/livez")], probes_s)
    )
    return answers, probes
