"""Measures the memory that a bundle takes in the service, whatever the limits are."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

from service.memory import Footprint
from service.predictor import Predictor
from service.web.server import allocator

# The whole service is imported, as when it serves.
_MEASURE = "import sys; from service.web.server.footprint import print_footprint; print_footprint(*sys.argv[1:])"


def measure_footprint(predictor: Predictor) -> Footprint:
    """Measure the memory of this process, which has loaded the model and does nothing else now. Linux only.

    Loading, and the golden images, leave free memory in the allocators; it is returned to the system first. Then the
    first image takes again what the network needs for one.

    Args:
        predictor: The model.
    """
    predictor.classify_blank(keep_memory=False)
    allocator.return_free_memory()
    at_rest = _status()
    predictor.classify_blank(keep_memory=True)
    # Pages of files are code that runs for the first time: every further image shares them.
    activations_bytes = max(0, _status()["RssAnon"] - at_rest["RssAnon"])
    return Footprint(service_bytes=at_rest["VmRSS"], activations_bytes=activations_bytes)


def footprint_of(bundle: str | os.PathLike[str], *, model: str) -> Footprint:
    """Measure the service with a bundle in a process of its own, which loads it and ends. Linux only.

    Args:
        bundle: Path of a bundle that was read without errors.
        model: Which of its model files: fp32 or int8.
    """
    command = [sys.executable, "-c", _MEASURE, os.fspath(bundle), model]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return Footprint(**json.loads(done.stdout))


def print_footprint(bundle: str, model: str) -> None:
    """Load a bundle as the service does, and print what it takes as a JSON object."""
    from service.settings import Settings
    from service.web.server.process import load_predictor

    allocator.return_large_blocks()
    predictor = load_predictor(bundle, settings=Settings(model=model))
    print(json.dumps(dataclasses.asdict(measure_footprint(predictor))))  # noqa: T201  (read by `footprint_of`)


def _status() -> dict[str, int]:
    """Return the sizes in this process's status, bytes; see proc(5)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    sizes = (line.removesuffix(" kB").split(":", 1) for line in lines if line.endswith(" kB"))
    return {name: 1024 * int(size) for name, size in sizes}
