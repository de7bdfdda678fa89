"""The resize and the crop: geometry from the original upright size, as torchvision does it on a PIL image."""

from __future__ import annotations

from PIL import Image

from service.pixels.spec import PixelSpec

Box = tuple[float, float, float, float]

_FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


def fit(image: Image.Image, part: Box, width: int, height: int, spec: PixelSpec) -> tuple[Image.Image, Box]:
    """Resize that part of the image and crop it to the square of the spec.

    part           (left, top, right, bottom) of `image` that holds the picture
    width, height  of the upright original, pixels

    Returns the square, and the box of the original that it shows.
    """
    resample = _FILTERS[spec.filter]
    size = spec.size
    if spec.mode == "squish":
        return image.resize((size, size), resample, box=part), (0.0, 0.0, float(width), float(height))
    short, long = min(width, height), max(width, height)
    if spec.mode == "pad":
        other = max(1, int(size * short / long))
        new_width, new_height = (size, other) if width >= height else (other, size)
    else:
        other = max(1, int(spec.resize_short * long / short))
        new_width, new_height = (other, spec.resize_short) if width >= height else (spec.resize_short, other)
    left, top = round((new_width - size) / 2), round((new_height - size) / 2)
    resized = image.resize((new_width, new_height), resample, box=part)
    square = resized.crop((left, top, left + size, top + size))  # beyond the image (pad) Pillow fills with black
    across, down = width / new_width, height / new_height
    return square, (left * across, top * down, (left + size) * across, (top + size) * down)
