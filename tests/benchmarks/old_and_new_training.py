"""How many images per second an old and a new checkout of the trainer fine-tune on, in pairs.

    python -m tests.benchmarks.old_and_new_training OLD_CHECKOUT OLD_PYTHON PHOTOS.csv [--root DIR] [--pairs 15]
        [--epochs 1] [--head-epochs 0] [--backbone efficientnet_lite0] [--size 224] [--batch-size 32] [--threads 2]
        [--together]

OLD_PYTHON is the interpreter of an environment with the dependencies of OLD_CHECKOUT; the new checkout is this one, run
by this interpreter. In each pair each trainer runs `trainer fit` as a process of its own, with the options above and
the same seed; the two take turns in going first. With `--together` both run at the same time, each on a core of its
own, and exchange the cores after each pair: what slows the machine down for a while then slows both down. One fit of
each that does not count decodes the images before. The images per second are those of the fine-tuning epochs in
RUN/history.jsonl; once it has all of them, the process is killed, since the export does not count. Prints a Markdown
table: medians, and the geometric mean of the pairs' ratios with its 95 % interval (Student's t of their logarithms).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from service.cores import usable_cores
from tests.benchmarks.hardware import machine, versions
from tests.benchmarks.pairs import TABLE_HEAD, Checkout, add_checkout_options, in_turns, read_checkouts, table_row
from tests.benchmarks.process import stolen_fraction

POLL_S = 0.1


def main() -> None:
    """Measure the pairs and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_checkout_options(parser)
    parser.add_argument("photos", type=Path, help="CSV, or a folder with one folder a class")
    parser.add_argument("--root", type=Path, help="folder that the paths of the CSV are relative to")
    parser.add_argument("--epochs", type=int, default=1, help="of fine-tuning")
    parser.add_argument("--head-epochs", type=int, default=0)
    parser.add_argument("--backbone")
    parser.add_argument("--size", type=int)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--threads", type=int, help="by default all cores; one core with --together")
    parser.add_argument("--together", action="store_true", help="both at the same time, on a core each")
    options = parser.parse_args()
    if options.epochs < 1:
        parser.error("--epochs must be at least 1")
    if options.together and usable_cores() < 2:
        parser.error("--together needs two cores")
    options.threads = options.threads or (1 if options.together else usable_cores())
    checkouts = read_checkouts(options, package="trainer")
    arguments = fit_arguments(options)
    print(f"{machine('cpu')}, {versions('torch')}; {options.pairs} pairs of `trainer fit {' '.join(arguments[1:])}`\n")
    speeds: dict[str, list[float]] = {"old": [], "new": []}
    with tempfile.TemporaryDirectory() as folder, stolen_fraction() as stolen:
        for name, checkout in checkouts.items():
            fine_tuning_speed(checkout, arguments, epochs=options.epochs, work=Path(folder, name))

        def measure(name: str, core: int | None = None) -> None:
            work = Path(folder, name)
            speed = fine_tuning_speed(checkouts[name], arguments, epochs=options.epochs, work=work, core=core)
            speeds[name].append(speed)
            print(f"{name}: {speed:.1f} images/s", flush=True)

        turns = list(in_turns(options.pairs))
        if options.together:
            cores = sorted(os.sched_getaffinity(0))[:2]
            with ThreadPoolExecutor(2) as pool:
                for pair in zip(turns[::2], turns[1::2], strict=True):
                    list(pool.map(measure, pair, cores))
        else:
            for name in turns:
                measure(name)
    print()
    print(TABLE_HEAD.format(quantity="images/s"))
    print(table_row("fine-tuning", speeds["old"], speeds["new"]))
    print(f"\nprocessor time that went to other guests of the host: {100 * stolen():.2f} %")


def fit_arguments(options: argparse.Namespace) -> list[str]:
    """Return the arguments of `trainer fit` that both checkouts have, apart from `--cache` and `--out`."""
    named = {
        "--root": options.root and options.root.resolve(),
        "--epochs": options.epochs,
        "--head-epochs": options.head_epochs,
        "--backbone": options.backbone,
        "--size": options.size,
        "--batch-size": options.batch_size,
        "--threads": options.threads,
        "--device": "cpu",
        "--seed": 0,
    }
    given = [str(word) for name, value in named.items() if value is not None for word in (name, value)]
    return [str(options.photos.resolve()), *given]


def fine_tuning_speed(
    checkout: Checkout, arguments: list[str], *, epochs: int, work: Path, core: int | None = None
) -> float:
    """Run a fit until its last epoch, on one core or on all; decoded images are kept in `work`, RUN is removed.

    Returns:
        Images per second over all epochs of fine-tuning.

    Raises:
        SystemExit: The fit ended before that many epochs.
    """
    work.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=work) as folder:
        history, log = Path(folder, "run", "history.jsonl"), Path(folder, "log")
        command = checkout.command("trainer", "fit", *arguments, "--cache", work / "cache", "--out", history.parent)
        if core is not None:
            command = ["taskset", "--cpu-list", str(core), *command]
        with open(log, "wb") as output:
            process = subprocess.Popen(command, cwd=checkout.folder, env=checkout.environ, stdout=output, stderr=output)
        try:
            while process.poll() is None and len(epoch_speeds(history)) < epochs:
                time.sleep(POLL_S)
        finally:
            process.kill()
            process.wait()
        speeds = epoch_speeds(history)
        if len(speeds) < epochs:
            raise SystemExit(f"{log.read_text(errors='replace')[-3000:]}\n{' '.join(command)} ended too early")
    return statistics.harmonic_mean(speeds)  # every epoch has the same number of images


def epoch_speeds(history: Path) -> list[float]:
    """Read the images per second of each epoch of fine-tuning that is complete; the epoch of the head has none."""
    if not history.exists():
        return []
    lines = history.read_text(encoding="utf-8").splitlines(keepends=True)
    records = [json.loads(line) for line in lines if line.endswith("\n")]
    return [
        record["images_per_second"]
        for record in records
        if record["event"] == "epoch" and record.get("images_per_second")
    ]


if __name__ == "__main__":
    main()
