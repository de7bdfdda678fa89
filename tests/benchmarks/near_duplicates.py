"""Near duplicates of validation photos among the training photos: in a random split, and in one by a table of its own.

    python -m tests.benchmarks.near_duplicates TRAIN.csv VALID.csv [--sizes 96 160 224] [--cache FOLDER]

`trainer/diagnosis/near_duplicates.py` and `embeddings.py` are based on this. For each size of the images, in pixels,
and each least similarity, the table shows: the fraction of a random fifth of TRAIN.csv that has a near duplicate among
the rest, the fraction of VALID.csv that has one in TRAIN.csv, the fraction of TRAIN.csv whose nearest photo of another
class is as similar, and the images embedded per second.
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
    """Print a row for each size and threshold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", type=Path)
    parser.add_argument("valid", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[96, 160, 224])
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    pixels = load_backbone(DEFAULT_BACKBONE).pixels
    with tempfile.TemporaryDirectory() as temporary:
        random_split, own_split = (
            prepare(
                read_catalog(options.train, valid=valid),
                pixels, seed=0, decoding=Decoding(options.cache or Path(temporary), threads=2),
            )
            for valid in (None, options.valid)
        )  # fmt: skip
        print(f"{machine('cpu')}, {versions('torch')}\n")
        print("| size | least similarity | random split | VALID.csv | another class | images/s |")
        print("|---|---|---|---|---|---|")
        for size in options.sizes:
            random_valid, _, _ = similarities(random_split, size=size)
            own_valid, other_class, speed = similarities(own_split, size=size)
            for least in THRESHOLDS:
                fractions = [
                    f"{100 * (found >= least).mean():.1f} %" for found in (random_valid, own_valid, other_class)
                ]
                print(f"| {size} | {least} | {' | '.join(fractions)} | {speed:.0f} |", flush=True)


def similarities(prepared: Prepared, *, size: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], float]:
    """Compute the similarity of each image to its nearest one.

    Returns:
        Of each validation image to the nearest training image, of each training image to the nearest of another class,
        and the images embedded per second.
    """
    data, pixels = prepared.data, load_backbone(DEFAULT_BACKBONE).pixels
    start = time.perf_counter()
    features = embed_images(
        data.train, data.valid, pixels, size=size, device=torch.device("cpu"), progress=NoProgress()
    )
    speed = len(features) / (time.perf_counter() - start)
    units, targets = whiten(features), data.train_targets
    train, valid = units[: len(data.train)], units[len(data.train) :]
    other_class = [
        np.where(targets[start : start + _BLOCK, np.newaxis] == targets, -1, train[start : start + _BLOCK] @ train.T)
        for start in range(0, len(train), _BLOCK)
    ]
    return nearest(valid, train)[1], np.concatenate([block.max(axis=1) for block in other_class]), speed


if __name__ == "__main__":
    main()
