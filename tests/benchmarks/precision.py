"""Images per second of the default backbone on a CPU, by precision, memory format and allocator.

    python -m tests.benchmarks.precision [--size 224] [--batch-size 32] [--rounds 5]

`trainer/training/device.py` is based on this. Every row is a process of its own, since the allocator's settings cannot
be undone; the rows take turns, round after round, so that a noisy machine harms all of them equally. The table shows
the median over the rounds, the smallest and the largest.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import subprocess
import sys
import time
from contextlib import nullcontext

ROWS = list(itertools.product(("frozen", "training"), ("fp32", "bf16"), ("nchw", "channels_last"), ("default", "kept")))


def main() -> None:
    """Run every row `--rounds` times and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--row", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.row is not None:
        print(images_per_second(*ROWS[options.row], size=options.size, batch_size=options.batch_size))
        return
    speeds: dict[int, list[float]] = {row: [] for row in range(len(ROWS))}
    for _ in range(options.rounds):
        for row, found in speeds.items():
            command = [sys.executable, "-m", "tests.benchmarks.precision", "--row", str(row)]
            command += ["--size", str(options.size), "--batch-size", str(options.batch_size)]
            found.append(float(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    print("| pass | precision | memory format | freed memory | images/s, median | least | most |")
    print("|---|---|---|---|---|---|---|")
    for row, found in speeds.items():
        middle = statistics.median(found)
        print(f"| {' | '.join(ROWS[row])} | {middle:.1f} | {min(found):.1f} | {max(found):.1f} |")


def images_per_second(
    kind: str, precision: str, memory_format: str, allocator: str, *, size: int, batch_size: int
) -> float:
    """Return the median of five steps after two."""
    import torch

    from trainer.model import Classifier, load_backbone
    from trainer.training.device import keep_freed_memory

    if allocator == "kept":
        keep_freed_memory()
    layout = torch.channels_last if memory_format == "channels_last" else torch.contiguous_format
    model = Classifier(load_backbone("efficientnet_lite0"), class_count=81).to(memory_format=layout)
    model.train(kind == "training")
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6, fused=True)
    pixels = (255 * torch.rand(batch_size, 3, size, size)).contiguous(memory_format=layout)
    targets = torch.randint(81, (batch_size,))
    seconds = []
    for _ in range(7):
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16) if precision == "bf16" else nullcontext():
            if kind == "frozen":
                with torch.inference_mode():
                    model.embed(pixels)
            else:
                loss = torch.nn.functional.cross_entropy(model(pixels).float(), targets)
        if kind == "training":
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        seconds.append(time.perf_counter() - start)
    return batch_size / statistics.median(seconds[2:])


if __name__ == "__main__":
    main()
