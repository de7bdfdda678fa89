"""How many requests per second an old and a new checkout of the service process, in pairs.

    python -m tests.benchmarks.old_and_new OLD_CHECKOUT OLD_PYTHON BUNDLE IMAGE... [--pairs 15] [--seconds 5]

OLD_PYTHON is the interpreter of an environment with the dependencies of OLD_CHECKOUT; the new checkout is this one, run
by this interpreter. IMAGE may be a folder. In each pair each service is started again, warmed up, and saturated by
`--clients` connections, with raw bodies and then with forms; the two take turns in going first. Prints a Markdown
table: medians, and the geometric mean of the pairs' ratios with its 95 % interval (Student's t of their logarithms).
"""

from __future__ import annotations

import argparse
import contextlib
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import uvloop

from service.cores import usable_cores
from tests.benchmarks import load
from tests.benchmarks.images import read_images
from tests.benchmarks.load import Address
from tests.benchmarks.pairs import TABLE_HEAD, Checkout, add_checkout_options, in_turns, read_checkouts, table_row
from tests.benchmarks.process import stolen_fraction

ROUTE = "/v1/predict"
START_S = 60.0
WARM_UP_S = 1.0


def main() -> None:
    """Measure the pairs and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_checkout_options(parser)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("images", type=Path, nargs="+")
    parser.add_argument("--seconds", type=float, default=5, help="of each measurement")
    parser.add_argument("--clients", type=int, default=3 * usable_cores())
    parser.add_argument("--most-images", type=int, default=64)
    options = parser.parse_args()
    checkouts = read_checkouts(options, package="service")
    images = read_images(options.images, most=options.most_images)
    requests = {
        "raw": [load.raw_request(ROUTE, image) for image in images],
        "multipart": [load.multipart_request(ROUTE, image) for image in images],
    }
    print(f"{len(images)} images, {sum(map(len, images)) / len(images) / 1e3:.0f} kB on average; ", end="")
    print(f"{options.clients} clients, {usable_cores()} cores, {options.pairs} pairs\n", flush=True)
    speeds: dict[str, dict[str, list[float]]] = {kind: {"old": [], "new": []} for kind in requests}
    with stolen_fraction() as stolen:
        for name in in_turns(options.pairs):
            with running(checkouts[name], options.bundle.resolve()) as address:
                saturate(address, requests["raw"], clients=options.clients, seconds=WARM_UP_S)
                for kind, of_kind in requests.items():
                    speeds[kind][name].append(
                        saturate(address, of_kind, clients=options.clients, seconds=options.seconds)
                    )
    print(TABLE_HEAD.format(quantity="requests/s"))
    for kind, of_kind in speeds.items():
        print(table_row(kind, of_kind["old"], of_kind["new"]))
    print(f"\nprocessor time that went to other guests of the host: {100 * stolen():.2f} %")


@contextlib.contextmanager
def running(checkout: Checkout, bundle: Path) -> Iterator[Address]:
    """Run a service until the block ends; yields its address once it is ready."""
    flags = ("--host", "127.0.0.1", "--port", "0", "--grace-s", "0", "--log-format", "json")
    command = checkout.command("service", "serve", bundle, *flags)
    with tempfile.NamedTemporaryFile("w+", suffix=".log") as log:
        process = subprocess.Popen(command, cwd=checkout.folder, env=checkout.environ, stdout=log, stderr=log)
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
    """Return the requests per second; raises SystemExit if any status is not 200."""
    per_second, responses = uvloop.run(load.closed_loop(address, requests, clients=clients, seconds=seconds))
    if others := {response.status for response in responses} - {200}:
        raise SystemExit(f"the service responded with {sorted(others)} (0: the connection ended)")
    return per_second


if __name__ == "__main__":
    main()
