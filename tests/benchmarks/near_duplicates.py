"""Near duplicates across two splits of the same photos: a random one, and one with validation photos of their own.

    python -m tests.benchmarks.near_duplicates TRAIN.csv VALID.csv [--sides 96 160 224] [--cache FOLDER]

This is what `trainer/diagnosis/near_duplicates.py` and `embeddings.py` are based on. For each side of the images, in
pixels, and each least similarity, printed: the fraction of a random fifth of TRAIN.csv that has a near duplicate among
the rest, the fraction of VALID.csv that has one in TRAIN.csv, the fraction of TRAIN.csv whose nearest photo of another
class is as near, and the images embedded per second.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from tests.benchmarks.hardware import machine, versions
from trainer.catalog import read_catalog
from trainer.data import Decoding, Prepared, prepare
from trainer.diagnosis.embeddings import embed_images
from trainer.diagnosis.near_duplicates import nearest, whiten
from trainer.model import load_backbone
from trainer.progress import NoProgress
from trainer.recipe import DEFAULT_BACKBONE

THRESHOLDS = (0.6, 0.65, 0.7, 0.75, 0.8)
_BLOCK = 1024


def main() -> None:
    """Print a row for each side and threshold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", type=Path)
    parser.add_argument("valid", type=Path)
    parser.add_argument("--sides", type=int, nargs="+", default=[96, 160, 224])
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    pixels = load_backbone(DEFAULT_BACKBONE).pixels
    with tempfile.TemporaryDirectory() as temporary:
        random, own = (
            prepare(
                read_catalog(options.train, valid=valid),
                pixels, seed=0, decoding=Decoding(options.cache or Path(temporary), threads=2),
            )
            for valid in (None, options.valid)
        )  # fmt: skip
        print(f"{machine('cpu')}, {versions('torch')}\n")
        print("| side | least similarity | random split | own photos | another class | images/s |")
        print("|---|---|---|---|---|---|")
        for side in options.sides:
            across, _, _ = similarities(random, side=side)
            honest, strangers, rate = similarities(own, side=side)
            for least in THRESHOLDS:
                shares = [f"{100 * (found >= least).mean():.1f} %" for found in (across, honest, strangers)]
                print(f"| {side} | {least} | {' | '.join(shares)} | {rate:.0f} |", flush=True)


def similarities(prepared: Prepared, *, side: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], float]:
    """Of each validation image with the nearest training image; of each training image with the nearest of another
    class; and the images embedded a second."""
    data, pixels = prepared.data, load_backbone(DEFAULT_BACKBONE).pixels
    start = time.perf_counter()
    features = embed_images(
        data.train, data.valid, pixels, size=side, device=torch.device("cpu"), progress=NoProgress()
    )
    rate = len(features) / (time.perf_counter() - start)
    units, targets = whiten(features), data.train_targets
    train, valid = units[: len(data.train)], units[len(data.train) :]
    strangers = [
        np.where(targets[start : start + _BLOCK, np.newaxis] == targets, -1, train[start : start + _BLOCK] @ train.T)
        for start in range(0, len(train), _BLOCK)
    ]
    return nearest(valid, train)[1], np.concatenate([block.max(axis=1) for block in strangers]), rate


if __name__ == "__main__":
    main()
