"""fieldguide side by side with what people use instead: the same model, the same images, the same load.

    python -m tests.benchmarks.side_by_side RUN IMAGES [--seconds 10] [--rounds 5] [--environments DIR] [--phone]

RUN is a folder that `trainer fit` wrote, whose bundle has model.int8.onnx. With `--phone` the images are made as large
as those of a phone that is held upright: 12 megapixels, with grain, orientation 6. Each server is installed into an
environment of its own under DIR, which is kept and used again if it is given. If a server can be configured in several
ways, each is tried once and the fastest one is compared. Then all take turns, round after round: each is started again,
sends one prediction, is warmed up and put under load. All get the same uploads to the same route from the same number
of clients on this machine.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from service.cores import usable_cores
from tests.benchmarks.environment import Environment, make_environment
from tests.benchmarks.images import as_by_phone, read_images
from tests.benchmarks.side_by_side.artifacts import export
from tests.benchmarks.side_by_side.measure import Load, Measurement, measure_server
from tests.benchmarks.side_by_side.server_specs import OURS, OURS_FP32, Configuration, ServerSpec, server_specs
from tests.benchmarks.side_by_side.table import REQUESTS_PER_S, advantages_table, measurements_table, spread

CLIENTS_PER_CORE = 3
_PHONE_SHORT_SIDE = 3000


def main() -> None:
    """Install, try, measure in turns, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("images", type=Path, nargs="+", help="images, or folders of them")
    parser.add_argument("--seconds", type=float, default=10, help="of load, for every server in every round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--environments", type=Path, help="default: a temporary folder, removed at the end")
    parser.add_argument("--clients", type=int, default=CLIENTS_PER_CORE * usable_cores())
    parser.add_argument("--most-images", type=int, default=64)
    parser.add_argument("--phone", action="store_true", help="make the images as large as those of a phone")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="compare with these servers only")
    options = parser.parse_args()
    specs = [
        spec
        for spec in server_specs(options.run / "bundle")
        if not options.only or spec.name in (OURS, OURS_FP32, *options.only)
    ]
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        model.mkdir()
        export(options.run, model)
        environments = install(specs, options.environments or Path(folder) / "environments")
        images = read_images(options.images, most=options.most_images)
        if options.phone:
            images = [
                as_by_phone(image, short_side=_PHONE_SHORT_SIDE, seed=seed, turned=True)
                for seed, image in enumerate(images)
            ]
        load = Load(images=images, clients=options.clients, seconds=options.seconds)
        print(
            f"{len(images)} images, {sum(map(len, images)) / len(images) / 1e3:.0f} kB on average; "
            f"{options.clients} clients; {usable_cores()} cores; Python {platform.python_version()}\n"
        )
        chosen = {spec.name: fastest(spec, environments[spec.name], load, model=model) for spec in specs}
        measured = measure_in_turns(chosen, environments, load, rounds=options.rounds, model=model)
        sizes = {name: environment.installed_bytes() for name, environment in environments.items()}
    print(f"\n{measurements_table(measured, sizes)}\n")
    for ours in (OURS, OURS_FP32):
        goals = {spec.name: spec.goals[ours] for spec in specs if ours in spec.goals}
        print(f"How many times better {ours} is, round by round:\n")
        print(f"{advantages_table(measured, sizes, ours, goals)}\n")
    cost = [1e6 * each.client_s for rounds in measured.values() for each in rounds]
    print(f"The load generator itself: {spread(cost, 0)} µs of processor time a request.")


def install(specs: Sequence[ServerSpec], folder: Path) -> dict[str, Environment]:
    """Make an environment for each server; those with the same requirements share one."""
    made: dict[tuple[str, ...], Environment] = {}
    for spec in specs:
        if spec.requirements not in made:
            print(f"installing {spec.name} ...", end=" ", flush=True)
            words = "".join(letter if letter.isalnum() else " " for letter in spec.name.lower()).split()
            made[spec.requirements] = environment = make_environment(folder / "-".join(words), spec.requirements)
            versions = environment.versions()
            print(", ".join(f"{package} {versions[package]}" for package in spec.packages), flush=True)
    return {spec.name: made[spec.requirements] for spec in specs}


def fastest(spec: ServerSpec, environment: Environment, load: Load, *, model: Path) -> Configuration:
    """Try each configuration once; returns the one with the most requests per second."""
    speeds = []
    for configuration in spec.configurations:
        measured = measure_server(configuration, environment, load, model=model, log=model / "log")
        speeds.append(REQUESTS_PER_S.value(measured))
        print(f"{spec.name}, {configuration.name}: {speeds[-1]:.1f} requests/s", flush=True)
    choice = spec.configurations[speeds.index(max(speeds))]
    print(f"-> {choice.name}\n", flush=True)
    return choice


def measure_in_turns(
    chosen: Mapping[str, Configuration],
    environments: Mapping[str, Environment],
    load: Load,
    *,
    rounds: int,
    model: Path,
) -> dict[str, list[Measurement]]:
    """Measure each server once in every round; another one starts in every round."""
    measured: dict[str, list[Measurement]] = {name: [] for name in chosen}
    names = list(chosen)
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            measured[name].append(
                measure_server(chosen[name], environments[name], load, model=model, log=model / "log")
            )
    return measured


if __name__ == "__main__":
    main()
