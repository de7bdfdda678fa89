"""fieldguide side by side with what people use instead: the same model, the same images, the same load.

    python -m tests.benchmarks.side_by_side RUN IMAGES [--seconds 10] [--rounds 5] [--environments DIR]

RUN is a folder that `trainer fit` wrote. Each server is installed into an environment of its own under DIR, which is
kept and used again where it is given. Where a server can be configured in several ways, each is tried once and the
fastest one is compared. Then all take turns, round after round: started anew, asked for one prediction, warmed up,
loaded. All get the same uploads to the same route from the same number of clients on this machine.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from service.cores import usable_cores
from tests.benchmarks.environment import Environment, make_environment
from tests.benchmarks.images import read_images
from tests.benchmarks.side_by_side.artifacts import export
from tests.benchmarks.side_by_side.contender import Configuration, Contender
from tests.benchmarks.side_by_side.contenders import OURS, contenders
from tests.benchmarks.side_by_side.measure import Load, Turn, take_turn
from tests.benchmarks.side_by_side.table import RATE, advantages, figures, spread

CLIENTS_PER_CORE = 3


def main() -> None:
    """Install, try, take turns, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("images", type=Path, nargs="+", help="images, or folders of them")
    parser.add_argument("--seconds", type=float, default=10, help="of load, for every server in every round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--environments", type=Path, help="default: a temporary folder, removed at the end")
    parser.add_argument("--clients", type=int, default=CLIENTS_PER_CORE * usable_cores())
    parser.add_argument("--most-images", type=int, default=64)
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="of the servers to compare with")
    options = parser.parse_args()
    taking_part = [
        one for one in contenders(options.run / "bundle") if not options.only or one.name in (OURS, *options.only)
    ]
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        model.mkdir()
        export(options.run, model)
        environments = install(taking_part, options.environments or Path(folder) / "environments")
        images = read_images(options.images, most=options.most_images)
        load = Load(images=images, clients=options.clients, seconds=options.seconds)
        print(
            f"{len(images)} images, {sum(map(len, images)) / len(images) / 1e3:.0f} kB on average; "
            f"{options.clients} clients; {usable_cores()} cores; Python {platform.python_version()}\n"
        )
        chosen = {one.name: fastest(one, environments[one.name], load, model=model) for one in taking_part}
        turns = take_turns(chosen, environments, load, rounds=options.rounds, model=model)
        sizes = {name: environment.installed_bytes() for name, environment in environments.items()}
    print(f"\n{figures(turns, sizes)}\n")
    print(f"How many times better {OURS} is, round by round:\n")
    print(advantages(turns, sizes, {one.name: one.goal for one in taking_part if one.goal}))
    cost = [1e6 * turn.client_s for rounds in turns.values() for turn in rounds]
    print(f"\nThe load generator itself: {spread(cost, 0)} µs of processor time a request.")


def install(taking_part: Sequence[Contender], folder: Path) -> dict[str, Environment]:
    """An environment for each."""
    environments = {}
    for one in taking_part:
        print(f"installing {one.name} ...", end=" ", flush=True)
        place = folder / "-".join("".join(letter if letter.isalnum() else " " for letter in one.name.lower()).split())
        environments[one.name] = environment = make_environment(place, one.requirements)
        versions = environment.versions()
        print(", ".join(f"{package} {versions[package]}" for package in one.packages), flush=True)
    return environments


def fastest(contender: Contender, environment: Environment, load: Load, *, model: Path) -> Configuration:
    """The configuration with the most requests a second, each tried once."""
    rates = []
    for configuration in contender.configurations:
        turn = take_turn(configuration, environment, load, model=model, log=model / "log")
        rates.append(RATE.figure(turn))
        print(f"{contender.name}, {configuration.name}: {rates[-1]:.1f} requests/s", flush=True)
    choice = contender.configurations[rates.index(max(rates))]
    print(f"-> {choice.name}\n", flush=True)
    return choice


def take_turns(
    chosen: Mapping[str, Configuration],
    environments: Mapping[str, Environment],
    load: Load,
    *,
    rounds: int,
    model: Path,
) -> dict[str, list[Turn]]:
    """`rounds` turns of each; another one begins in every round."""
    turns: dict[str, list[Turn]] = {name: [] for name in chosen}
    names = list(chosen)
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            turns[name].append(take_turn(chosen[name], environments[name], load, model=model, log=model / "log"))
    return turns


if __name__ == "__main__":
    main()
