"""An old and a new checkout of this project, measured in pairs on one machine; the ratio of each pair counts."""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

from tests.benchmarks.environment import ROOT

TABLE_HEAD = "| {quantity} | old | new | new / old | 95 % interval |\n|---|---|---|---|---|"


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """A version of the project: its folder, and an interpreter with its dependencies."""

    folder: Path
    python: Path

    def command(self, module: str, *arguments: str | Path) -> list[str]:
        """Return the command that runs a module; it must be started in `folder` and with `environ`."""
        return [str(self.python), "-m", module, *map(str, arguments)]

    @property
    def environ(self) -> dict[str, str]:
        """The variables of this process without PYTHONPATH: modules must come from the working directory."""
        return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def require(self, package: str) -> None:
        """Raise SystemExit if this interpreter would import another checkout's package."""
        script = f"import {package}; print({package}.__file__)"
        command = [str(self.python), "-c", script]
        found = subprocess.run(command, cwd=self.folder, env=self.environ, capture_output=True, text=True, check=False)
        if found.returncode or not Path(found.stdout.strip()).is_relative_to(self.folder):
            raise SystemExit(f"{self.python} does not import {self.folder}/{package}: {found.stdout}{found.stderr}")


def add_checkout_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that `read_checkouts` needs, and the number of pairs."""
    parser.add_argument("old_checkout", type=Path)
    parser.add_argument("old_python", type=Path)
    parser.add_argument("--pairs", type=int, default=15, help="at least 2")


def read_checkouts(options: argparse.Namespace, *, package: str) -> dict[str, Checkout]:
    """Return the `old` and the `new` checkout; the new one is this one, run by this interpreter."""
    if options.pairs < 2:
        raise SystemExit("--pairs must be at least 2: an interval needs several pairs")
    checkouts = {
        "old": Checkout(folder=options.old_checkout.resolve(), python=options.old_python.absolute()),
        "new": Checkout(folder=ROOT, python=Path(sys.executable)),
    }
    for checkout in checkouts.values():
        checkout.require(package)
    return checkouts


def in_turns(pairs: int) -> Iterator[str]:
    """Yield `old` and `new` for each pair; the old one is first in every second pair."""
    for number in range(pairs):
        yield from ("old", "new") if number % 2 == 0 else ("new", "old")


def table_row(name: str, old: Sequence[float], new: Sequence[float]) -> str:
    """Format the medians of both, and the mean ratio with its interval; `old` and `new` are in the order of pairs."""
    ratio, low, high = mean_ratio(old, new)
    medians = f"{statistics.median(old):.1f} | {statistics.median(new):.1f}"
    return f"| {name} | {medians} | {ratio:.3f} | {low:.3f} to {high:.3f} |"


def mean_ratio(old: Sequence[float], new: Sequence[float]) -> tuple[float, float, float]:
    """Return the geometric mean of new / old over the pairs, and its 95 % interval (Student's t of the logarithms)."""
    logs = np.log(np.asarray(new) / np.asarray(old))
    half = stats.t.ppf(0.975, len(logs) - 1) * logs.std(ddof=1) / np.sqrt(len(logs))
    ratio, low, high = np.exp([logs.mean(), logs.mean() - half, logs.mean() + half]).tolist()
    return ratio, low, high
