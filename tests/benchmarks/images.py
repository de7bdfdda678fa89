"""The photos that the service's benchmarks upload."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
GRAIN, QUALITY = 8, 92
_ORIENTATION_TAG, _TURNED_RIGHT = 0x0112, 6


def read_images(paths: Sequence[Path], *, most: int) -> list[bytes]:
    """Read at most `most` encoded images, evenly spaced in the folders."""
    files = [file for path in paths for file in (sorted(path.rglob("*")) if path.is_dir() else [path])]
    files = [file for file in files if file.suffix.lower() in SUFFIXES]
    return [file.read_bytes() for file in files[:: max(1, len(files) // most)][:most]]


def as_by_phone(data: bytes, *, short_side: int, seed: int, turned: bool = False) -> bytes:
    """Return a photo as a phone would have saved it: large, and with grain, which a sensor shows in every pixel.

    Args:
        data: An encoded image; it is enlarged if it is smaller.
        short_side: Of the new one, pixels.
        seed: Of the grain.
        turned: Whether the phone was held upright: the pixels lie on their side, and the EXIF orientation is 6.
    """
    image = Image.open(io.BytesIO(data)).convert("RGB")
    scale = max(1.0, short_side / min(image.size))
    pixels = np.asarray(image.resize([round(side * scale) for side in image.size], Image.Resampling.BICUBIC))
    grain = np.random.default_rng(seed).normal(0, GRAIN, pixels.shape).astype(np.float32)
    grainy = Image.fromarray(np.clip(pixels + grain, 0, 255).astype(np.uint8))
    exif, output = Image.Exif(), io.BytesIO()
    if turned:
        grainy = grainy.transpose(Image.Transpose.ROTATE_90)
        exif[_ORIENTATION_TAG] = _TURNED_RIGHT
    grainy.save(output, "JPEG", quality=QUALITY, exif=exif)
    return output.getvalue()
