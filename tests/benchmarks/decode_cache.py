"""What the cache of decoded images saves: images per second with it, and decoded whenever they are needed.

    python -m tests.benchmarks.decode_cache TRAIN.csv VALID.csv --work FOLDER [--device cpu|cuda] [--images 320]
        [--rounds 3]

"read" is the images alone, in batches of 32 in random order, announced as training announces them. "train" is
fine-tuning as `trainer fit` runs it. The four loops take turns, round after round, after one round that does not count.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.benchmarks.hardware import machine, versions
from tests.benchmarks.training.loops import LoopSetting, RealLoop, make_loop_setting
from tests.benchmarks.training.recipes import change_recipe
from tests.benchmarks.training.results import markdown
from tests.benchmarks.training.tables import evenly_spaced, read_rows, with_known_labels, with_splits, write_rows
from trainer.training.device import choose_device, keep_freed_memory

_VALID_IMAGES = 16


def main() -> None:
    """Let the loops take turns, and print a table."""
    options = _options()
    root = (options.root or options.train.parent).resolve()
    train = evenly_spaced(read_rows(options.train), options.images)
    valid = with_known_labels(read_rows(options.valid), known=train)[:_VALID_IMAGES]
    table = write_rows(options.work / "decode_cache.csv", with_splits(train, valid))
    recipe = change_recipe({"finetune.epochs": options.rounds + 1}).recipe
    keep_freed_memory()
    loops: dict[tuple[str, str], Callable[[], float]] = {}
    for way, max_bytes in (("from the cache", None), ("decoded as needed", 0)):
        setting = make_loop_setting(
            table,
            root=root,
            recipe=recipe,
            cache=options.work / f"cache {max_bytes}",
            device=choose_device(options.device),
            passes=1,
            max_bytes=max_bytes,
        )
        loops["read", way] = _reading(setting)
        loops["train", way] = RealLoop(setting).round
    rates: dict[tuple[str, str], list[float]] = {loop: [] for loop in loops}
    for number in range(options.rounds + 1):
        for loop, run in loops.items():
            rate = run()
            if number:
                rates[loop].append(rate)
    print(f"{machine(options.device)}; {versions('torch', 'Pillow')}; {len(train)} images\n")
    rows = [
        {
            "loop": loop,
            "way": way,
            "rate": f"{statistics.median(found):,.1f}",
            "range": f"{min(found):,.1f} to {max(found):,.1f}",
        }
        for (loop, way), found in rates.items()
    ]
    print(markdown({"loop": "loop", "way": "images", "rate": "images/s, median", "range": "least to most"}, rows))


def _reading(setting: LoopSetting) -> Callable[[], float]:
    source, size = setting.data.train, setting.recipe.finetune.batch_size
    random = np.random.default_rng(0)

    def read() -> float:
        start, order = time.perf_counter(), random.permutation(len(source))
        source.prefetch(order.tolist())
        for first in range(0, len(order), size):
            source.batch(order[first : first + size])
        return len(order) / (time.perf_counter() - start)

    return read


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", type=Path, help="CSV with the columns path and label")
    parser.add_argument("valid", type=Path, help="the same")
    parser.add_argument("--work", type=Path, required=True, help="folder for temporary files and the cache")
    parser.add_argument("--root", type=Path, help="folder that paths are relative to; by default that of TRAIN.csv")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--images", type=int, default=320)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
