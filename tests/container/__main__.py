"""Tries the image that run.sh built, with the engine that it found, and prints a table.

    python -m tests.container BUNDLE [--matrix | --places] [--memory 512m] [--cpus 2]

Exit code 0 only if every check passed.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from tests.container.engine import Engine
from tests.container.places import places
from tests.container.trial import HARDENED, Result, Trial, try_container, try_image

# A user of the image's owner's choice, and one as OpenShift gives to a container.
_ANY_USER, _OPENSHIFT_USER = "12345", "1000670000:0"

MATRIX = (
    Trial(name="as it is built"),
    Trial(name=f"as user {_ANY_USER}", user=_ANY_USER),
    Trial(name=f"as user {_OPENSHIFT_USER}", user=_OPENSHIFT_USER),
    Trial(name="as root", user="0"),
    Trial(name="read-only root", options=HARDENED[:1]),
    Trial(name="no capabilities", options=HARDENED[1:2]),
    Trial(name="no new privileges", options=HARDENED[2:]),
    Trial(name="all three", options=HARDENED),
    Trial(name="all three, as root", options=HARDENED, user="0"),
    Trial(name="all three, no network", options=HARDENED, network=False),
    Trial(name="all three, 0.5 processors", options=HARDENED, cpus="0.5"),
    Trial(name="all three, 256 MiB", options=HARDENED, memory="256m", largest=True),
    Trial(name="all three, 256 MiB, 0.5 processors", options=HARDENED, memory="256m", cpus="0.5", largest=True),
    Trial(name="all three, 512 MiB", options=HARDENED, largest=True),
    Trial(name="all three, 128 open files", options=HARDENED, files=128),
)


def main() -> int:
    """Try one container, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle")
    parser.add_argument("--matrix", action="store_true", help="every row, not only one")
    parser.add_argument("--places", action="store_true", help="as each place of `fieldguide deploy` starts it")
    parser.add_argument("--memory", default="512m")
    parser.add_argument("--cpus", default="2")
    options = parser.parse_args()
    one = Trial(name="all three", options=HARDENED, memory=options.memory, cpus=options.cpus)
    engine = Engine(os.environ)
    print(
        "| container | ready s | resident MB | peak MB of the group | checks failed |\n|---|---|---|---|---|",
        flush=True,
    )
    results = []
    if not options.places:  # their image has the bundle in it
        results.append(try_image(engine, os.path.realpath(options.bundle)))
        print(_row(results[0]), flush=True)
    for trial in places() if options.places else MATRIX if options.matrix else (one,):
        results.append(try_container(engine, trial, os.path.realpath(options.bundle)))
        print(_row(results[-1]), flush=True)
    _print_notes(results)
    return 1 if any(result.failures for result in results) else 0


def _row(result: Result) -> str:
    figures = ["", "", ""]
    if result.ready_s:
        peak = "" if result.peak_bytes is None else f"{result.peak_bytes / 1e6:.0f}"
        figures = [f"{result.ready_s:.1f}", f"{result.resident_bytes / 1e6:.0f}", peak]
    return f"| {' | '.join([result.trial.name, *figures, f'{len(result.failures)} of {result.checks}'])} |"


def _print_notes(results: Sequence[Result]) -> None:
    """Print what else was seen, and each failure."""
    for result in results:
        for note in result.notes:
            print(f"{result.trial.name}: {note}")
    for result in results:
        for name in result.failures:
            print(f"FAIL {result.trial.name}: {name}")


if __name__ == "__main__":
    sys.exit(main())
