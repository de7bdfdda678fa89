"""The cost of everything around the network: images per second of the real training loop and of the network alone.

    python -m tests.benchmarks.step_rate TRAIN.csv VALID.csv --work FOLDER [--device cpu|cuda] [--images 640]
        [--rounds 5] [--set finetune.batch_size=128] [--fastai] [--no-fp16]

"real" is fine-tuning as `trainer fit` runs it: images from the cache, augmentation, optimizer, moving average.
"synthetic" is the same network, optimizer and precision, on one batch that stays on the device. With `--fastai` a third
loop is fastai's, in its own environment, on the same photos and device. On a GPU it multiplies in fp16 if ours does in
bf16 or fp16 (`--no-fp16`: fp32). Its clock starts when each of its worker processes has delivered a batch, and stops
with the last step; ours runs over the whole round.

The loops take turns, round after round, after one round that does not count; a ratio is the median over the rounds. A
round is as many passes over the photos as are needed for `--images` of them. Nothing is kept from call to call.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import torch

from tests.benchmarks.hardware import machine, versions
from tests.benchmarks.training.fastai_process import add_fastai_options, set_up_fastai
from tests.benchmarks.training.loops import RealLoop, SyntheticLoop, make_loop_setting
from tests.benchmarks.training.recipes import change_recipe, parse_changes
from tests.benchmarks.training.results import markdown
from tests.benchmarks.training.tables import evenly_spaced, read_rows, with_known_labels, with_splits, write_rows
from trainer.training.device import choose_device, keep_freed_memory, training_dtype

REAL, SYNTHETIC, FASTAI = "real", "synthetic", "fastai"
# (loop, other loop, least ratio, whether it is a goal on a GPU only)
GOALS = ((REAL, SYNTHETIC, 0.9, False), (REAL, FASTAI, 3.0, True))
_VALID_IMAGES = 16
# In a round: on a GPU a few hundred are done before each of fastai's workers has delivered a batch.
_IMAGES_ON_CPU = 640
_IMAGES_ON_GPU = 10_240


def main() -> None:
    """Let the loops take turns, and print a table."""
    options = _options()
    images = options.images or (_IMAGES_ON_CPU if options.device == "cpu" else _IMAGES_ON_GPU)
    root = (options.root or options.train.parent).resolve()
    train = evenly_spaced(read_rows(options.train), images)
    passes = -(-images // len(train))
    recipe = change_recipe(parse_changes(options.set) | {"finetune.epochs": passes * (options.rounds + 1)}).recipe
    valid = with_known_labels(read_rows(options.valid), known=train)[:_VALID_IMAGES]
    table = write_rows(options.work / "step_rate.csv", with_splits(train, valid))
    keep_freed_memory()
    cache, device = options.cache or options.work / "cache", choose_device(options.device)
    setting = make_loop_setting(table, root=root, recipe=recipe, cache=cache, device=device, passes=passes)
    loops: dict[str, Callable[[], float]] = {
        SYNTHETIC: SyntheticLoop(setting).round,
        REAL: RealLoop(setting).round,
    }
    described = [f"trainer: {recipe.finetune.batch_size} a step, {_name(training_dtype(device, recipe.precision))}"]
    with ExitStack() as stack:
        if options.fastai:
            fastai = set_up_fastai(options, precision=recipe.precision)
            command = ("speed", "--passes", str(passes))
            learner = stack.enter_context(fastai.start(table, *command, root=root, device=options.device, seed=0))
            learner.read()
            loops[FASTAI] = lambda: float(learner.ask()["images_per_second"])
            described += [
                f"fastai: {fastai.batch_size} a step, {_name(torch.float16 if fastai.fp16 else torch.float32)}"
            ]
        rounds = [{name: loop() for name, loop in loops.items()} for _ in range(options.rounds + 1)][1:]
    print(f"{machine(options.device)}, {versions('torch', 'torchvision', 'timm')}")
    print(f"{passes} x {len(train):,} images a round; {'; '.join(described)}")
    print(f"\n{report(rounds, on_gpu=options.device != 'cpu')}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", type=Path)
    parser.add_argument("valid", type=Path)
    add_fastai_options(parser)
    parser.add_argument("--root", type=Path, help="folder that paths are relative to; by default that of TRAIN.csv")
    parser.add_argument("--cache", type=Path, help="of decoded images; by default in the work folder")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument(
        "--images", type=int, help=f"in a round; by default {_IMAGES_ON_CPU}, on a GPU {_IMAGES_ON_GPU}"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="changes of the default recipe")
    parser.add_argument("--fastai", action="store_true", help="measure fastai's loop too")
    return parser.parse_args()


def report(rounds: Sequence[dict[str, float]], *, on_gpu: bool) -> str:
    """Format a table of the loops and one of the ratios; a round is loop -> images per second."""
    columns = {"loop": "loop", "median": "images/s, median", "least": "least", "most": "most"}
    loops = []
    for name in rounds[0]:
        speeds = [found[name] for found in rounds]
        shown = {"median": statistics.median(speeds), "least": min(speeds), "most": max(speeds)}
        loops.append({"loop": name} | {column: f"{speed:.1f}" for column, speed in shown.items()})
    ratios = []
    for name, other, least, gpu_only in GOALS:
        if other in rounds[0]:
            ratio = statistics.median(found[name] / found[other] for found in rounds)
            goal = "" if gpu_only and not on_gpu else f"at least {least:g}{'' if ratio >= least else ': missed'}"
            ratios.append({"ratio": f"{name} / {other}", "value": f"{ratio:.3f}", "goal": goal})
    return f"{markdown(columns, loops)}\n\n{markdown({'ratio': 'ratio', 'value': 'median', 'goal': 'goal'}, ratios)}"


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


if __name__ == "__main__":
    main()
