"""The fastai part of a comparison, in fastai's own environment: imports nothing of fieldguide.

    python fastai_learner.py TABLE --root FOLDER --weights FILE fine-tune --epochs 3 --lr 2e-3
    python fastai_learner.py TABLE --root FOLDER --weights FILE speed --passes 4

TABLE is a CSV with the columns path, label and split (train or valid), FILE the weights of timm's `--arch` without its
last layer; without FILE they are random. Everything else is as fastai's own documentation does it: `ImageDataLoaders`
with `Resize` and `aug_transforms`, `vision_learner` with its default head, normalised as timm's record of the backbone
says.

A JSON line is printed when the learner is ready. `fine-tune` prints one after each epoch. `speed` waits for a line on
its standard input, trains the whole network for one epoch of that many passes over the training images, prints a JSON
line with the images per second of its steps, and waits again.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from fastai.vision import all as fastai

_FIRST_STEPS = 3


class PrintEpochs(fastai.Callback):  # type: ignore[misc]  # fastai is in another environment than mypy
    """Prints what the recorder has after every epoch."""

    order = fastai.Recorder.order + 1

    def after_epoch(self) -> None:
        train_loss, valid_loss, accuracy = (float(value) for value in self.recorder.values[-1])
        print_json(event="epoch", train_loss=train_loss, valid_loss=valid_loss, accuracy=accuracy)


class CountImages(fastai.Callback):  # type: ignore[misc]
    """Counts images that were trained on, and the seconds for them, without validation.

    The clock starts when each worker process has delivered a batch: on a GPU, starting them may take longer than a
    round, and their first batches arrive all at once. It stops with the last step, before the workers end.
    """

    def before_train(self) -> None:
        self.image_count, self.seconds, self.started = 0, 0.0, now()

    def after_batch(self) -> None:
        if not self.training:
            return
        done, uncounted = self.iter + 1, max(_FIRST_STEPS, self.dl.fake_l.num_workers)
        if done == min(uncounted, self.n_iter // 2):
            self.image_count, self.started = 0, now()
        else:
            self.image_count += len(self.xb[0])
        if done == self.n_iter:
            self.seconds = now() - self.started


def main() -> None:
    """Build the learner, then run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--arch", default="tf_efficientnet_lite0")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=["fp32", "fp16", "bf16"], default="fp32")
    parser.add_argument("--seed", type=int, default=0)
    commands = parser.add_subparsers(dest="command", required=True)
    fine_tune = commands.add_parser("fine-tune")
    fine_tune.add_argument("--epochs", type=int, required=True)
    fine_tune.add_argument("--lr", type=float, required=True)
    speed = commands.add_parser("speed")
    speed.add_argument("--passes", type=int, default=1)
    options = parser.parse_args()
    fastai.default_device(use=options.device != "cpu")
    fastai.set_seed(options.seed)
    learner = make_learner(options, passes=options.passes if options.command == "speed" else 1)
    print_json(
        event="ready", versions={name: metadata.version(name) for name in ("fastai", "torch", "torchvision", "timm")}
    )
    with learner.no_bar(), learner.no_logging():
        if options.command == "fine-tune":
            learner.fine_tune(options.epochs, options.lr, cbs=PrintEpochs())
        else:
            train_on_request(learner)


def make_learner(options: argparse.Namespace, *, passes: int) -> Any:
    """Make a frozen learner on the table's images; an epoch is `passes` passes over them."""
    table = fastai.pd.read_csv(options.table, dtype=str)
    table["is_valid"] = table["split"] == "valid"
    table = fastai.pd.concat([table, *[table[~table["is_valid"]]] * (passes - 1)], ignore_index=True)
    loaders = fastai.ImageDataLoaders.from_df(
        table,
        path=options.root,
        fn_col="path",
        label_col="label",
        valid_col="is_valid",
        seed=options.seed,
        item_tfms=fastai.Resize(options.size),
        batch_tfms=fastai.aug_transforms(),
        bs=options.batch_size,
        device=torch.device(options.device),
    )
    pretrained = (
        {"pretrained_cfg_overlay": {"file": str(options.weights)}} if options.weights else {"pretrained": False}
    )
    learner = fastai.vision_learner(loaders, options.arch, metrics=fastai.accuracy, **pretrained)
    mixed = {"fp32": lambda: learner, "fp16": learner.to_fp16, "bf16": learner.to_bf16}
    return mixed[options.precision]()


def train_on_request(learner: Any) -> None:
    """Train the whole network for one epoch for each line of standard input."""
    learner.unfreeze()
    counter = CountImages()
    for _ in sys.stdin:
        learner.fit_one_cycle(1, slice(1e-5, 1e-3), cbs=counter)
        print_json(event="round", images_per_second=counter.image_count / counter.seconds)


def now() -> float:
    """Return the time in seconds, once the GPU has finished its work."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def print_json(**values: object) -> None:
    """Print one JSON line, at once."""
    print(json.dumps(values), flush=True)


if __name__ == "__main__":
    main()
