"""Embeddings of images by a frozen network: for finding near duplicates and wrong labels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from service.pixels import PixelSpec
from trainer.data import PixelSource
from trainer.model import Backbone, Classifier, load_backbone
from trainer.progress import NoProgress, Progress
from trainer.recipe import DEFAULT_BACKBONE
from trainer.training.device import autocast, frozen_dtype
from trainer.training.evaluate import BATCH_SIZE, batches
from trainer.training.memory import MicroBatch

# With 224 pixels, the backbone's own size, few more near duplicates are found at twice the cost; with 96 pixels, images
# of different things begin to look similar: `tests/benchmarks/near_duplicates.py` measures it.
EMBEDDED_SIZE = 160
_MIN_EMBEDDED_SIZE = 96

Fractions = npt.NDArray[np.float32]
Embeddings = npt.NDArray[np.float16]


class FeatureNetwork:
    """A frozen backbone: images -> embeddings.

    For near duplicates it is always the pretrained default one, whatever a run trains, because their similarity was
    measured with it.
    """

    def __init__(
        self,
        device: torch.device,
        *,
        backbone: Backbone | None = None,
        precision: str = "auto",
        progress: Progress | None = None,
    ) -> None:
        """Put it on a device.

        Args:
            device: Where it runs.
            backbone: None: the pretrained default one is loaded.
            precision: As in the recipe.
            progress: Is advanced by every image of a `PixelSource`, and shows warnings.
        """
        self._device = device
        self._dtype = frozen_dtype(device, precision)
        self._progress = progress or NoProgress()
        self._micro_batch = MicroBatch(BATCH_SIZE, device=device)
        network = Classifier(backbone or load_backbone(DEFAULT_BACKBONE), class_count=1).eval()
        self._network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.inference_mode()
    def embed(self, images: Tensor) -> Embeddings:
        """Embed images, uint8 [B, 3, S, S] -> float16 [B, C]."""
        with autocast(self._device, self._dtype):
            inputs = images.to(self._device).float().contiguous(memory_format=torch.channels_last)
            embeddings: Embeddings = self._network.embed(inputs).to("cpu", torch.float16).numpy()
            return embeddings

    def embed_whole(self, images: PixelSource, pixels: PixelSpec, *, size: int) -> Embeddings:
        """Embed whole images that are squished to squares, as training images are: the part that the service sees.

        Args:
            images: N of them.
            pixels: How the service decodes an image.
            size: Side of what is embedded, pixels.

        Returns:
            float16 [N, C].
        """
        return self._embed_centres(images, _visible_part(images.aspects, pixels), size=size)

    def embed_decoded(self, images: PixelSource, pixels: PixelSpec, *, size: int) -> Embeddings:
        """Embed images that are decoded with `pixels`, as validation images are, without their padding.

        Arguments and result are those of `embed_whole`.
        """
        return self._embed_centres(images, _unpadded_part(images.aspects, pixels), size=size)

    def _embed_centres(self, images: PixelSource, fractions: tuple[Fractions, Fractions], *, size: int) -> Embeddings:
        widths, heights = fractions

        def embed(positions: npt.NDArray[np.int64]) -> Embeddings:
            shown = zip(images.batch(positions), widths[positions], heights[positions], strict=True)
            return self.embed(torch.cat([_centre(image, width, height, size=size) for image, width, height in shown]))

        images.prefetch(range(len(images)))
        embeddings = [np.empty((0, self._network.head.in_features), dtype=np.float16)]
        for positions in batches(len(images), BATCH_SIZE):
            embeddings += self._micro_batch.map(embed, positions, warn=self._progress.warn)
            self._progress.advance(len(positions))
        return np.concatenate(embeddings)


def embed_images(
    train: PixelSource,
    valid: PixelSource,
    pixels: PixelSpec,
    *,
    device: torch.device,
    progress: Progress,
    size: int = EMBEDDED_SIZE,
) -> Embeddings:
    """Embed the training images and then the validation images with the pretrained default backbone.

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
    network = FeatureNetwork(device, progress=progress)
    progress.start("near duplicates", len(train) + len(valid))
    return np.concatenate(
        [network.embed_whole(train, pixels, size=size), network.embed_decoded(valid, pixels, size=size)]
    )


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
