"""How many requests a second an old and a new checkout of the service answer, in pairs.

    python -m tests.benchmarks.old_and_new OLD_CHECKOUT OLD_PYTHON BUNDLE IMAGE... [--pairs 15] [--seconds 5]

OLD_PYTHON is the interpreter of an environment with the dependencies of OLD_CHECKOUT; the new checkout is this one, run
by this interpreter. IMAGE may be a folder. In each pair each service is started anew, warmed up, and saturated by
`--clients` connections, with raw bodies and then with forms; the two take turns in going first. Prints a Markdown
table: medians, and the geometric mean of the pairs' ratios with its 95 % interval (Student's t of their logarithms).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import uvloop
from scipy import stats

from service.cores import usable_cores
from tests.benchmarks import load
from tests.benchmarks.environment import ROOT
from tests.benchmarks.images import read_images
from tests.benchmarks.load import Address
from tests.benchmarks.process import stolen_share

ROUTE = "/v1/predict"
START_S = 60.0
WARM_UP_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """A version of the service: its folder, and an interpreter with its dependencies."""

    folder: Path
    python: Path


def main() -> None:
    """Measure the pairs and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old_checkout", type=Path)
    parser.add_argument("old_python", type=Path)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("images", type=Path, nargs="+")
    parser.add_argument("--pairs", type=int, default=15, help="at least 2")
    parser.add_argument("--seconds", type=float, default=5, help="of each measurement")
    parser.add_argument("--clients", type=int, default=3 * usable_cores())
    parser.add_argument("--most-images", type=int, default=64)
    options = parser.parse_args()
    checkouts = {
        "old": Checkout(folder=options.old_checkout.resolve(), python=options.old_python.absolute()),
        "new": Checkout(folder=ROOT, python=Path(sys.executable)),
    }
    images = read_images(options.images, most=options.most_images)
    requests = {
        "raw": [load.raw_request(ROUTE, image) for image in images],
        "multipart": [load.multipart_request(ROUTE, image) for image in images],
    }
    print(f"{len(images)} images, {sum(map(len, images)) / len(images) / 1e3:.0f} kB on average; ", end="")
    print(f"{options.clients} clients, {usable_cores()} cores, {options.pairs} pairs\n", flush=True)
    rates: dict[str, dict[str, list[float]]] = {kind: {"old": [], "new": []} for kind in requests}
    with stolen_share() as stolen:
        for number in range(options.pairs):
            for name in ("old", "new") if number % 2 == 0 else ("new", "old"):
                with running(checkouts[name], options.bundle.resolve()) as address:
                    saturate(address, requests["raw"], clients=options.clients, seconds=WARM_UP_S)
                    for kind, of_kind in requests.items():
                        rate = saturate(address, of_kind, clients=options.clients, seconds=options.seconds)
                        rates[kind][name].append(rate)
    print(table(rates))
    print(f"\nprocessor time that went to other guests of the host: {100 * stolen():.2f} %")


@contextlib.contextmanager
def running(checkout: Checkout, bundle: Path) -> Iterator[Address]:
    """Run a service until the block ends; gives its address once it is ready."""
    flags = ("--host", "127.0.0.1", "--port", "0", "--grace-s", "0", "--log-format", "json")
    command = [checkout.python, "-m", "service", "serve", bundle, *flags]
    # Each must import its own checkout: that is the working directory, and nothing else is on the path.
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with tempfile.NamedTemporaryFile("w+", suffix=".log") as log:
        process = subprocess.Popen(command, cwd=checkout.folder, env=environ, stdout=log, stderr=log)
        try:
            yield _address(process, Path(log.name))
        finally:
            process.terminate()
            process.wait(timeout=30)


def _address(process: subprocess.Popen[bytes], log: Path) -> Address:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        if found := re.search(r"ready on http://([^\s\"]+):(\d+)", log.read_text()):
            return found[1], int(found[2])
        time.sleep(0.02)
    raise SystemExit(f"{log.read_text()}\nThe service above did not become ready.")


def saturate(address: Address, requests: Sequence[bytes], *, clients: int, seconds: float) -> float:
    """Return the requests a second; raises SystemExit if any status is not 200."""
    rate, answers = uvloop.run(load.closed_loop(address, requests, clients=clients, seconds=seconds))
    if others := {answer.status for answer in answers} - {200}:
        raise SystemExit(f"the service responded with {sorted(others)} (0: the connection ended)")
    return rate


def table(rates: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """Format the rates of each kind of request, old and new, pair by pair."""
    lines = ["| requests | old, requests/s | new, requests/s | new / old | 95 % interval |", "|---|---|---|---|---|"]
    for kind, of_kind in rates.items():
        old, new = of_kind["old"], of_kind["new"]
        ratio, low, high = mean_ratio(old, new)
        medians = f"{statistics.median(old):.1f} | {statistics.median(new):.1f}"
        lines.append(f"| {kind} | {medians} | {ratio:.3f} | {low:.3f} to {high:.3f} |")
    return "\n".join(lines)


def mean_ratio(old: Sequence[float], new: Sequence[float]) -> tuple[float, float, float]:
    """Return the geometric mean of new / old over the pairs, and its 95 % interval."""
    logs = np.log(np.asarray(new) / np.asarray(old))
    half = stats.t.ppf(0.975, len(logs) - 1) * logs.std(ddof=1) / np.sqrt(len(logs))
    ratio, low, high = np.exp([logs.mean(), logs.mean() - half, logs.mean() + half]).tolist()
    return ratio, low, high


if __name__ == "__main__":
    main()
