"""Which photos must stay in one fold, so that no fold is evaluated by a model that saw the next photo of the thing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from trainer.catalog import hash_files
from trainer.data import Decoding, StreamedImages, fill_cache
from trainer.diagnosis.near_duplicates import near_duplicate_groups
from trainer.model import Classifier, load_backbone
from trainer.recipe import DEFAULT_BACKBONE
from trainer.training.evaluate import BATCH_SIZE, batches, to_pixels

# Folds that keep these together are as hard for a linear head as val.csv of the grocery photos, which was taken at
# other times; at 0.7 they are nearly as easy as random ones: `tests.benchmarks.folds --head-only` with the option.
LEAST_SIMILARITY = 0.6


@torch.inference_mode()
def group_near_duplicates(files: Sequence[Path], *, least_similarity: float, cache: Path, threads: int) -> list[int]:
    """Return a number for each image: near duplicates, also those linked by other images, have the same number.

    The features are those of the frozen default backbone at its own size. At the size that the trainer's diagnosis
    uses, where a quarter of the time matters more, photos of different things look similar.
    """
    backbone = load_backbone(DEFAULT_BACKBONE)
    digests = [digest or "" for digest in hash_files(files, threads=threads).digests]
    pixels = fill_cache(list(zip(digests, files, strict=True)), backbone.pixels, Decoding(cache, threads))
    model = Classifier(backbone, class_count=1).eval()
    images = StreamedImages(pixels, torch.device("cpu"))
    features = [model.embed(to_pixels(images.batch(part))) for part in batches(len(files), BATCH_SIZE)]
    groups = near_duplicate_groups(np.asarray(torch.cat(features)), threshold=least_similarity)
    return [int(group) for group in groups]
