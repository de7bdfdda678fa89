"""Embeddings of a run's images by the default backbone as it comes: what tells near duplicates."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from service.pixels import PixelSpec
from trainer.data import PixelCache
from trainer.model import DEFAULT_BACKBONE, Classifier, load_backbone
from trainer.progress import Progress
from trainer.training.device import autocast, frozen_dtype
from trainer.training.evaluate import BATCH_SIZE, batches

# With 224 pixels, which the backbone was made for, little more is found at twice the cost; with 96 images of different
# things begin to look alike: `tests/benchmarks/near_duplicates.py` measures it.
SIDE = 160
_LEAST_SIDE = 96

Shares = npt.NDArray[np.float32]


@torch.inference_mode()
def embed_images(
    train: PixelCache,
    valid: PixelCache,
    pixels: PixelSpec,
    *,
    device: torch.device,
    progress: Progress,
    side: int = SIDE,
) -> npt.NDArray[np.float16]:
    """float16 [N + M, C] of the training images (squished squares) and then the validation images.

    pixels  what the validation images were decoded with; of a training image the same part is looked at
    side    pixels of an image that are looked at; less where they are kept no larger

    It is always the default backbone, whatever the run trains, since how alike the embeddings of near duplicates are
    was measured for this one.
    """
    side = min(side, max(_LEAST_SIDE, pixels.size))
    network = Classifier(load_backbone(DEFAULT_BACKBONE), class_count=1).eval()
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    progress.start("near duplicates", len(train) + len(valid))
    found: list[npt.NDArray[np.float16]] = []
    with autocast(device, frozen_dtype(device, "auto")):
        for cache, (widths, heights) in (
            (train, _kept_of_whole(train.aspects, pixels)),
            (valid, _whole_in_kept(valid.aspects, pixels)),
        ):
            for positions in batches(len(cache), BATCH_SIZE):
                views = [
                    _view(image, width, height, side=side)
                    for image, width, height in zip(
                        cache.batch(positions), widths[positions], heights[positions], strict=True
                    )
                ]
                inputs = torch.cat(views).to(device).float().contiguous(memory_format=torch.channels_last)
                found.append(network.embed(inputs).to("cpu", torch.float16).numpy())
                progress.advance(len(positions))
    return np.concatenate(found)


def _kept_of_whole(aspects: npt.NDArray[np.float32], pixels: PixelSpec) -> tuple[Shares, Shares]:
    """Of the width and the height of whole images, the middle share that the service looks at."""
    if pixels.mode != "crop":
        return np.ones_like(aspects), np.ones_like(aspects)
    share = np.float32(pixels.size / pixels.resize_short)
    return share * np.minimum(1, 1 / aspects), share * np.minimum(1, aspects)


def _whole_in_kept(aspects: npt.NDArray[np.float32], pixels: PixelSpec) -> tuple[Shares, Shares]:
    """Of the width and the height of what the service looks at, the middle share that is no padding."""
    if pixels.mode != "pad":
        return np.ones_like(aspects), np.ones_like(aspects)
    return np.minimum(1, aspects), np.minimum(1, 1 / aspects)


def _view(image: npt.NDArray[np.uint8], width: float, height: float, *, side: int) -> Tensor:
    """The middle of an image, uint8 [S, S, 3], as uint8 [1, 3, side, side]."""
    left, top = (round((1 - share) * len(image) / 2) for share in (width, height))
    middle = torch.from_numpy(image[top : len(image) - top, left : len(image) - left]).permute(2, 0, 1)[None]
    return F.interpolate(middle, size=(side, side), mode="bilinear", antialias=True)
