"""How close the service comes to the speed of its own decoder and network, and what it does under too much load.

    python -m tests.benchmarks.service_load BUNDLE IMAGE... [--seconds 10] [--rounds 3] [--only one-client ...]

IMAGE may be a folder: its images, at any depth. At most `--most-images` of them are used. All results are ratios within
one run; the servers that are compared take turns, round after round, and the median of the rounds counts. Prints a
table of the medians, the least and the most in parentheses, and of the goals; at the end, how much processor time went
to other guests of the same host.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from service.bundle import read_bundle
from service.cores import usable_cores
from service.predictor import Predictor
from tests.benchmarks.images import read_images
from tests.benchmarks.process import stolen_fraction
from tests.benchmarks.service_load.arrivals import overload, poisson
from tests.benchmarks.service_load.one_client import one_client
from tests.benchmarks.service_load.table import print_row
from tests.benchmarks.service_load.throughput import throughput


def main() -> None:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("images", type=Path, nargs="+")
    parser.add_argument("--seconds", type=float, default=10, help="of every measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--most-images", type=int, default=64)
    parser.add_argument("--only", choices=["throughput", "one-client", "arrivals"], help="only this part")
    options = parser.parse_args()
    images = read_images(options.images, most=options.most_images)
    slots = usable_cores()
    print(f"{len(images)} images, {sum(map(len, images)) / len(images) / 1e3:.0f} kB on average, {slots} slots\n")
    bundle, predictor = options.bundle, Predictor(read_bundle(options.bundle))
    timing = {"seconds": options.seconds, "rounds": options.rounds}
    print("| quantity | measured | goal |\n|---|---|---|")
    with stolen_fraction() as stolen:
        if options.only != "one-client":
            costs = throughput(bundle, predictor, images, slots=slots, **timing)
        if options.only in (None, "one-client"):
            one_client(bundle, predictor, images, **timing)
        if options.only in (None, "arrivals"):
            poisson(bundle, predictor, images, costs=costs, slots=slots, **timing)
            overload(bundle, predictor, images, costs=costs, slots=slots, seconds=options.seconds)
    print_row("processor time that went to other guests of the host", f"{100 * stolen():.2f} %")


if __name__ == "__main__":
    main()
