"""Embeddings of a run's images by the pretrained default backbone, for finding near duplicates."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from service.pixels import PixelSpec
from trainer.data import PixelSource
from trainer.model import Classifier, load_backbone
from trainer.progress import Progress
from trainer.recipe import DEFAULT_BACKBONE
from trainer.training.device import autocast, frozen_dtype
from trainer.training.evaluate import BATCH_SIZE, batches

# With 224 pixels, the backbone's own size, few more near duplicates are found at twice the cost; with 96 pixels, images
# of different things begin to look similar: `tests/benchmarks/near_duplicates.py` measures it.
EMBEDDED_SIZE = 160
_MIN_EMBEDDED_SIZE = 96

Fractions = npt.NDArray[np.float32]


class FeatureNetwork:
    """The pretrained default backbone, frozen: images -> embeddings.

    It is always that one, whatever a run trains, because the similarity of near duplicates was measured with it.
    """

    def __init__(self, device: torch.device) -> None:
        """Load it on a device."""
        self._device = device
        network = Classifier(load_backbone(DEFAULT_BACKBONE), class_count=1).eval()
        self._network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.inference_mode()
    def embed(self, images: Tensor) -> npt.NDArray[np.float16]:
        """Embed images, uint8 [B, 3, S, S] -> float16 [B, C]."""
        with autocast(self._device, frozen_dtype(self._device, "auto")):
            inputs = images.to(self._device).float().contiguous(memory_format=torch.channels_last)
            embeddings: npt.NDArray[np.float16] = self._network.embed(inputs).to("cpu", torch.float16).numpy()
            return embeddings


def embed_images(
    train: PixelSource,
    valid: PixelSource,
    pixels: PixelSpec,
    *,
    device: torch.device,
    progress: Progress,
    size: int = EMBEDDED_SIZE,
) -> npt.NDArray[np.float16]:
    """Embed the training images and then the validation images.

    Args:
        train: Whole training images, squished to squares.
        valid: Validation images, decoded with `pixels`.
        pixels: How the service decodes an image; of a training image the same part is embedded.
        device: Where the network runs.
        progress: Is advanced by every image.
        size: Side of the embedded images in pixels; less if the validation images are smaller.

    Returns:
        float16 [N + M, C].
    """
    size = min(size, max(_MIN_EMBEDDED_SIZE, pixels.size))
    network = FeatureNetwork(device)
    progress.start("near duplicates", len(train) + len(valid))
    embeddings: list[npt.NDArray[np.float16]] = []
    for cache, (widths, heights) in (
        (train, _visible_part(train.aspects, pixels)),
        (valid, _unpadded_part(valid.aspects, pixels)),
    ):
        cache.prefetch(range(len(cache)))
        for positions in batches(len(cache), BATCH_SIZE):
            centres = [
                _centre(image, width, height, size=size)
                for image, width, height in zip(
                    cache.batch(positions), widths[positions], heights[positions], strict=True
                )
            ]
            embeddings.append(network.embed(torch.cat(centres)))
            progress.advance(len(positions))
    return np.concatenate(embeddings)


def _visible_part(aspects: npt.NDArray[np.float32], pixels: PixelSpec) -> tuple[Fractions, Fractions]:
    """Fractions of the width and the height of whole images that the service looks at, about the centre."""
    if pixels.mode != "crop":
        return np.ones_like(aspects), np.ones_like(aspects)
    fraction = np.float32(pixels.size / pixels.resize_short)
    return fraction * np.minimum(1, 1 / aspects), fraction * np.minimum(1, aspects)


def _unpadded_part(aspects: npt.NDArray[np.float32], pixels: PixelSpec) -> tuple[Fractions, Fractions]:
    """Fractions of the width and the height of what the service looks at that are no padding, about the centre."""
    if pixels.mode != "pad":
        return np.ones_like(aspects), np.ones_like(aspects)
    return np.minimum(1, aspects), np.minimum(1, 1 / aspects)


def _centre(image: npt.NDArray[np.uint8], width: float, height: float, *, size: int) -> Tensor:
    """The centre of an image, uint8 [S, S, 3] -> uint8 [1, 3, size, size]; width and height are fractions."""
    left, top = (round((1 - fraction) * len(image) / 2) for fraction in (width, height))
    centre = torch.from_numpy(image[top : len(image) - top, left : len(image) - left]).permute(2, 0, 1)[None]
    return F.interpolate(centre, size=(size, size), mode="bilinear", antialias=True)
