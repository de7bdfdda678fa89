"""`trainer fit` against fastai's `fine_tune`: how soon it is as good, and how much better after the same time.

    python -m tests.benchmarks.train_vs_fastai TRAIN.csv VALID.csv --work FOLDER [--device cpu] [--epochs 3]
        [--lrs 2e-3 5e-3 1e-2] [--long 10]

Both start from the same weights, on the same images, one after another on the same machine, each as a process whose
time counts from its start: imports, decoding, training, validation after every epoch. fastai runs in an environment of
its own (fastai 2.8, the other libraries in our versions): `--epochs` with each learning rate of `--lrs`, then `--long`
epochs with the one that ended best (0: not); on a GPU in fp16 if `trainer fit` multiplies in bf16 or fp16. `trainer
fit` runs once with its defaults (`--set` changes them), and decodes every image again unless `--cache` is the cache of
an earlier run.

"As good" is the first epoch with at least the accuracy of fastai's last one. "After the same time" is our last epoch
that had ended by then, even if it is not the best.

Every part is written to FOLDER/results.jsonl when it is done, and not run again: the command can be stopped, repeated,
and called for some parts only (`--only fastai`, `--only trainer`). All results of the same machine, images and seed are
printed as tables; those of our own trainer only if they are of the present source code.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from tests.benchmarks.hardware import machine, versions
from tests.benchmarks.training.fastai_comparison import report
from tests.benchmarks.training.fastai_process import Fastai, add_fastai_options, set_up_fastai
from tests.benchmarks.training.fit_process import run_fit
from tests.benchmarks.training.recipes import change_recipe, parse_changes
from tests.benchmarks.training.results import Results, Values
from tests.benchmarks.training.sources import code_digest
from tests.benchmarks.training.tables import digest, read_rows, with_splits, write_rows
from trainer.model import load_backbone
from trainer.recipe import DEFAULT_BACKBONE


def main() -> None:
    """Run the parts that are missing, then print all parts."""
    options = _options()
    rows = with_splits(read_rows(options.train), read_rows(options.valid))
    results = Results(options.work / "results.jsonl")
    common = {"machine": machine(options.device), "device": options.device, "images": digest(rows)}
    common |= {"seed": options.seed}
    table = write_rows(options.work / "images.csv", rows)
    changes = parse_changes(options.set) | {"seed": options.seed}
    recipe, ours = change_recipe(changes), {"part": "trainer", "code": code_digest()}
    if options.only != "fastai":
        key = common | ours | {"recipe": recipe.name, "decoded_before": options.cache is not None}
        file = recipe.write(options.work / "recipes")
        results.once(key, lambda: fit(table, file, options, code=ours["code"]) | {"changes": changes})
    if options.only != "trainer":
        fastai = set_up_fastai(options, precision=recipe.recipe.precision)
        key = common | {"part": "fastai", "fp16": fastai.fp16, "batch_size": fastai.batch_size}

        def accuracy(epochs: int, lr: float) -> float:
            part = key | {"epochs": epochs, "lr": lr}
            values = results.once(part, lambda: fine_tune(fastai, table, options, epochs=epochs, lr=lr))
            return float(values["epochs"][-1]["accuracy"])

        accuracies = {lr: accuracy(options.epochs, lr) for lr in options.lrs}
        if options.long:
            accuracy(options.long, max(accuracies, key=accuracies.__getitem__))
    parts = [part for kind in ({"part": "fastai"}, ours) for part in results.matching(common | kind)]
    print(f"{common['machine']}\n\n{report(parts)}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", type=Path)
    parser.add_argument("valid", type=Path)
    add_fastai_options(parser)
    parser.add_argument("--root", type=Path, help="folder that paths are relative to; by default that of TRAIN.csv")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--lrs", type=float, nargs="+", default=[2e-3, 5e-3, 1e-2])
    parser.add_argument("--long", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, help="decoded images of an earlier run")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="changes of the default recipe")
    parser.add_argument("--only", choices=["fastai", "trainer"])
    options = parser.parse_args()
    options.root = (options.root or options.train.parent).resolve()
    options.work.mkdir(parents=True, exist_ok=True)
    return options


def fit(table: Path, recipe: Path, options: argparse.Namespace, *, code: str) -> Values:
    """Measure the part `trainer`: accuracy and seconds after every epoch."""
    load_backbone(DEFAULT_BACKBONE)  # as for fastai: the weights must not come from a cold disk
    with tempfile.TemporaryDirectory(dir=options.work) as empty:
        cache = options.cache or Path(empty)
        measured = run_fit(
            [table, "--root", options.root, "--recipe", recipe],
            work=options.work,
            cache=cache,
            device=options.device,
            code=code,
        )
    return {
        "epochs": [
            {"seconds": epoch["at_s"], "accuracy": epoch["valid"]["accuracy"], "stage": epoch["stage"]}
            for epoch in measured.epochs
        ],
        "seconds": measured.seconds,
        "exported_accuracy": measured.summary["validation"]["accuracy"],
        "versions": versions("torch", "torchvision", "timm"),
    }


def fine_tune(fastai: Fastai, table: Path, options: argparse.Namespace, *, epochs: int, lr: float) -> Values:
    """Measure a part `fastai`: accuracy and seconds after every epoch, the frozen one first."""
    command = ["fine-tune", "--epochs", str(epochs), "--lr", str(lr)]
    records = []
    with fastai.start(table, *command, root=options.root, device=options.device, seed=options.seed) as process:
        while record := process.read():
            records.append(record)
    ready, *ended = records
    return {
        "epochs": [
            {"seconds": epoch["at_s"], **{name: epoch[name] for name in ("accuracy", "train_loss", "valid_loss")}}
            for epoch in ended
        ],
        "ready_seconds": ready["at_s"],
        "versions": ", ".join(f"{name} {version}" for name, version in ready["versions"].items()),
    }


if __name__ == "__main__":
    main()
