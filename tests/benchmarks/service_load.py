"""How near the service comes to the speed of its own decoder and network, and how it behaves under too much load.

    python -m tests.benchmarks.service_load BUNDLE IMAGE... [--seconds 10] [--rounds 3]

IMAGE may be a folder: its images, at any depth. At most `--images` of them are taken. All figures are ratios within one
run; floor, raw and multipart take turns, round after round, and the median of the rounds counts. Prints a table of what
was measured and of the goals.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import uvloop

from service.bundle import read_bundle
from service.cores import usable_cores
from service.predictor import Predictor
from tests.benchmarks import load
from tests.benchmarks.load import Address, Answer
from tests.benchmarks.process import thread_processor_s
from tests.support.server import RunningServer

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
QUEUE_PER_SLOT = 4


def main() -> None:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("images", type=Path, nargs="+")
    parser.add_argument("--seconds", type=float, default=10, help="of every measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--most-images", type=int, default=64)
    options = parser.parse_args()
    images = read_images(options.images, most=options.most_images)
    slots = usable_cores()
    print(f"{len(images)} images, {sum(map(len, images)) / len(images) / 1e3:.0f} kB on average, {slots} slots\n")
    predictor = Predictor(read_bundle(options.bundle))
    print("| figure | measured | goal |\n|---|---|---|")
    floor = throughput(options, predictor, images, slots=slots)
    one_client(options, predictor, images)
    poisson(options, predictor, images, floor=floor, slots=slots)
    overload(options, predictor, images, floor=floor, slots=slots)


def read_images(paths: Sequence[Path], *, most: int) -> list[bytes]:
    """Encoded images, spread over the folders."""
    files = [file for path in paths for file in (sorted(path.rglob("*")) if path.is_dir() else [path])]
    files = [file for file in files if file.suffix.lower() in SUFFIXES]
    return [file.read_bytes() for file in files[:: max(1, len(files) // most)][:most]]


def in_process(predictor: Predictor, images: Sequence[bytes], *, threads: int, seconds: float) -> list[float]:
    """Seconds that each prediction took, with that many threads predicting at once."""
    source, durations, deadline = itertools.cycle(images), [], time.perf_counter() + seconds

    def work() -> None:
        while (start := time.perf_counter()) < deadline:
            predictor.predict(next(source))
            durations.append(time.perf_counter() - start)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return durations


def throughput(options: argparse.Namespace, predictor: Predictor, images: Sequence[bytes], *, slots: int) -> float:
    """Floor against the service at saturation; returns the floor, images a second."""
    floors, raws, forms, bares = [], [], [], []
    floor_ms, loop_ms, worker_ms, client_ms = [], [], [], []
    raw = [load.raw_request("/v1/predict", image) for image in images]
    form = [load.multipart_request("/v1/predict", image) for image in images]
    with RunningServer(options.bundle, "--log-format", "json") as server, side_server("bare", options.bundle) as bare:
        for _ in range(options.rounds):
            own_s = time.process_time()
            count = len(in_process(predictor, images, threads=slots, seconds=options.seconds))
            floor_ms.append(1e3 * (time.process_time() - own_s) / count)
            floors.append(count / options.seconds)
            for address, requests, rates in (
                (server.address, raw, raws),
                (bare, raw, bares),
                (server.address, form, forms),
            ):
                own_s, before = time.process_time(), thread_processor_s(server.process.pid)
                rate, answers = uvloop.run(
                    load.closed_loop(address, requests, clients=3 * slots, seconds=options.seconds)
                )
                assert {answer.status for answer in answers} == {200}
                rates.append(rate)
                if rates is raws:
                    spent = {
                        thread: 1e3 * (now - before.get(thread, 0)) / len(answers)
                        for thread, now in thread_processor_s(server.process.pid).items()
                    }
                    loop_ms.append(spent.pop(server.process.pid))
                    worker_ms.append(sum(spent.values()))
                    client_ms.append(1e3 * (time.process_time() - own_s) / len(answers))
    floor = statistics.median(floors)
    row("floor: decode and inference in process", f"{floor:.1f} images/s")
    row("saturation, raw bodies / floor", f"{ratio(raws, floors):.3f} ({statistics.median(raws):.1f}/s)", "≥ 0.95")
    row("the least ASGI application / floor", f"{ratio(bares, floors):.3f} ({statistics.median(bares):.1f}/s)")
    row("saturation, raw bodies / the least ASGI application", f"{ratio(raws, bares):.3f}")
    row("saturation, multipart / floor", f"{ratio(forms, floors):.3f} ({statistics.median(forms):.1f}/s)")
    row("processor time of an image in process", f"{statistics.median(floor_ms):.2f} ms")
    for name, spent_ms in (("workers", worker_ms), ("event loop", loop_ms), ("load's client", client_ms)):
        row(f"processor time of a raw request: the {name}", f"{statistics.median(spent_ms):.2f} ms")
    return floor


def one_client(options: argparse.Namespace, predictor: Predictor, images: Sequence[bytes]) -> None:
    """The latency of a client that is alone, against one thread in process and a route that only reads the body."""
    alone, echoes, clients = [], [], []
    raw = [load.raw_request("/v1/predict", image) for image in images]
    to_echo = [load.raw_request("/echo", image) for image in images]
    with RunningServer(options.bundle, "--log-format", "json") as server, side_server("echo") as echo:
        for _ in range(options.rounds):
            durations = in_process(predictor, images, threads=1, seconds=options.seconds)
            alone.append(1e3 * statistics.median(durations))
            for address, requests, medians in ((echo, to_echo, echoes), (server.address, raw, clients)):
                _, answers = uvloop.run(load.closed_loop(address, requests, clients=1, seconds=options.seconds))
                medians.append(load.percentile_ms(answers, 50))
    sums = [thread + http for thread, http in zip(alone, echoes, strict=True)]
    row("one thread in process, p50", f"{statistics.median(alone):.2f} ms")
    row("echo route, p50", f"{statistics.median(echoes):.2f} ms")
    row(
        "one client, p50 / (thread + echo)",
        f"{ratio(clients, sums):.3f} ({statistics.median(clients):.2f} ms)",
        "≤ 1.05",
    )


def poisson(
    options: argparse.Namespace, predictor: Predictor, images: Sequence[bytes], *, floor: float, slots: int
) -> None:
    """Open loop at 70 % of capacity, against a simulated queue with the same arrivals and measured service times."""
    raw = [load.raw_request("/v1/predict", image) for image in images]
    ratios, found = [], []
    with RunningServer(options.bundle, "--log-format", "json", "--queue-per-slot", "500") as server:
        for seed in range(options.rounds):
            service_s = np.array(in_process(predictor, images, threads=slots, seconds=options.seconds))
            due_s = load.poisson_arrivals(0.7 * floor, 2 * options.seconds, seed=seed)
            answers = uvloop.run(load.open_loop(server.address, raw, due_s))
            assert {answer.status for answer in answers} == {200}
            simulated = load.simulate_queue(due_s, service_s, servers=slots)
            found.append(load.percentile_ms(answers, 99))
            ratios.append(found[-1] / (1e3 * float(np.percentile(simulated, 99))))
    measured = f"{statistics.median(ratios):.2f} ({statistics.median(found):.0f} ms)"
    row("Poisson arrivals at 70 %, p99 / simulated queue's", measured, "≤ 1.2")


def overload(
    options: argparse.Namespace, predictor: Predictor, images: Sequence[bytes], *, floor: float, slots: int
) -> None:
    """Open loop at 300 % of capacity."""
    raw = [load.raw_request("/v1/predict", image) for image in images]
    service_ms = 1e3 * statistics.mean(in_process(predictor, images, threads=slots, seconds=options.seconds))
    with RunningServer(options.bundle, "--log-format", "json", "--queue-per-slot", str(QUEUE_PER_SLOT)) as server:
        due_s = load.poisson_arrivals(3 * floor, options.seconds, seed=0)
        answers, probes = uvloop.run(overloaded(server.address, raw, due_s))
    served = [answer for answer in answers if answer.status == 200]
    surplus = [answer for answer in answers if answer.status == 429]
    bound_ms = (1 + QUEUE_PER_SLOT) * service_ms * 1.3
    row("at 300 %: answered", f"{len(served) / due_s[-1]:.1f}/s of {len(answers) / due_s[-1]:.1f}/s")
    row("at 300 %: neither 200 nor 429", str(len(answers) - len(served) - len(surplus)), "0")
    row("at 300 %: p99 of the admitted", f"{load.percentile_ms(served, 99):.0f} ms", f"≤ {bound_ms:.0f} ms")
    row("at 300 %: p99 of the 429", f"{load.percentile_ms(surplus, 99):.1f} ms", "≤ 50 ms")
    row("at 300 %: p99 of /livez", f"{load.percentile_ms(probes, 99):.1f} ms", "≤ 50 ms")


async def overloaded(
    address: Address, requests: Sequence[bytes], due_s: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> tuple[list[Answer], list[Answer]]:
    """The load, and a probe of /livez ten times a second beside it."""
    probes_s = np.arange(0.1, due_s[-1], 0.1)
    answers, probes = await asyncio.gather(
        load.open_loop(address, requests, due_s), load.open_loop(address, [load.get_request("/livez")], probes_s)
    )
    return answers, probes


@contextlib.contextmanager
def side_server(module: str, *arguments: Path) -> Iterator[Address]:
    """Another server of this package, `echo` or `bare`, in a process of its own."""
    command = [sys.executable, "-m", f"tests.benchmarks.{module}", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        time.sleep(1)
        try:
            yield "127.0.0.1", port
        finally:
            process.terminate()


def ratio(numbers: Sequence[float], others: Sequence[float]) -> float:
    """The median of the rounds' own ratios."""
    return statistics.median(number / other for number, other in zip(numbers, others, strict=True))


def row(figure: str, measured: str, goal: str = "") -> None:
    print(f"| {figure} | {measured} | {goal} |", flush=True)


if __name__ == "__main__":
    main()
