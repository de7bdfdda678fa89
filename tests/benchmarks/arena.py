"""onnxruntime with and without its memory arena: speed, and memory at the end.

    python -m tests.benchmarks.arena BUNDLE [--images 20000] [--rounds 3]

Each measurement is a process of its own: one session as the service makes it, apart from the arena, and one thread for
each core. The two settings take turns. The table shows images per second, and resident memory after a tenth of the
images and after all.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import onnxruntime as ort

from service.bundle import read_bundle
from service.cores import usable_cores
from tests.benchmarks.process import process_usage


def main() -> None:
    """Measure both settings in turns, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", choices=("on", "off"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(soak(options.bundle, images=options.images, arena=options.one == "on")))
        return
    print("| arena | images/s, median (least to most) | resident MB after a tenth | resident MB after all |")
    print("|---|---|---|---|")
    found: dict[str, list[tuple[float, float, float]]] = {"on": [], "off": []}
    for _, arena in itertools.product(range(options.rounds), found):
        command = [sys.executable, "-m", "tests.benchmarks.arena", str(options.bundle)]
        command += ["--images", str(options.images), "--one", arena]
        found[arena].append(tuple(json.loads(subprocess.run(command, capture_output=True, check=True).stdout)))
    for arena, rows in found.items():
        speeds, early, late = zip(*rows, strict=True)
        spread = f"{statistics.median(speeds):.1f} ({min(speeds):.1f} to {max(speeds):.1f})"
        print(f"| {arena} | {spread} | {statistics.median(early):.1f} | {statistics.median(late):.1f} |")


def soak(path: Path, *, images: int, arena: bool) -> tuple[float, float, float]:
    """Return images per second, resident MB after a tenth of the images, and resident MB after all."""
    bundle = read_bundle(path)
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_cpu_mem_arena = arena
    session = ort.InferenceSession(bundle.models["model.onnx"], options, providers=["CPUExecutionProvider"])
    size = bundle.spec.pixels.size
    batch = np.random.default_rng(0).integers(0, 256, size=(1, size, size, 3), dtype=np.uint8)
    start = time.perf_counter()
    _run(session, batch, images // 10)
    early = process_usage(os.getpid()).resident_bytes / 1e6
    _run(session, batch, images - images // 10)
    return images / (time.perf_counter() - start), early, process_usage(os.getpid()).resident_bytes / 1e6


def _run(session: ort.InferenceSession, batch: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], count: int) -> None:
    left = iter(range(count))

    def work() -> None:
        for _ in left:
            session.run(["probabilities"], {"image": batch})

    threads = [threading.Thread(target=work) for _ in range(usable_cores())]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
