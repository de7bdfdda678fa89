"""Golden images: a bundle must give the same predictions for them wherever it is loaded."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from service.bundle import FP32, INT8, GoldenImage
from service.inputs import read_bytes
from service.pixels import load
from service.predictor import Predictor
from trainer.errors import ExportError

# Decoders and processors differ in the last digits; a wrong channel order or resize differs by far more. In 8-bit
# integers a last digit is 1 of 256 steps of an activation, and processors round it differently.
TOLERANCES = {FP32: 0.01, INT8: 0.05}
IMAGE_COUNT = 4
_ORIENTATION_TAG = 0x0112
_TWELVE_MEGAPIXELS = (4000, 3000)


def require_golden(kind: str, *, has_validation: bool) -> None:
    """Raise ExportError if the golden images should be validation images and there are none."""
    if kind == "validation" and not has_validation:
        raise ExportError("`golden='validation'` needs validation images, and there are none; leave it out")


def synthetic_images() -> dict[str, bytes]:
    """Draw four images, which show nothing private.

    Returns:
        Path in the bundle -> encoded image: a JPEG, a PNG with alpha, a WebP, and a JPEG of 12 megapixels with EXIF
        orientation 6. They are the same every time.
    """
    return {
        "golden/1.jpg": _encode(_draw(640, 480, seed=1), "JPEG"),
        "golden/2.png": _encode(_with_alpha(_draw(420, 560, seed=2)), "PNG"),
        "golden/3.webp": _encode(_draw(512, 384, seed=3), "WEBP"),
        "golden/4.jpg": _encode(_draw(*_TWELVE_MEGAPIXELS, seed=4), "JPEG", orientation=6),
    }


def validation_images(files: Sequence[Path]) -> dict[str, bytes]:
    """Encode validation images of the user in the formats of `synthetic_images`, the PNG without alpha.

    Args:
        files: All validation images, sorted, at least one. Four are used, from the whole length of the list, so that
            they show different classes if there are several.

    Returns:
        Path in the bundle -> encoded image, with pixels alone: comments, profiles and other metadata of the files are
        left out.
    """
    images = [_pixels_of(path) for path in _spread(files)]
    first, second, third, fourth = (images[number % len(images)] for number in range(IMAGE_COUNT))
    return {
        "golden/1.jpg": _encode(first, "JPEG"),
        "golden/2.png": _encode(second, "PNG"),
        "golden/3.webp": _encode(third, "WEBP"),
        "golden/4.jpg": _encode(fourth.resize(_TWELVE_MEGAPIXELS), "JPEG", orientation=6),
    }


def make_golden(images: Mapping[str, bytes], predictors: Mapping[str, Predictor]) -> list[GoldenImage]:
    """Predict each image with the code of the service, and record its pixels and probabilities.

    Args:
        images: Path in the bundle -> encoded image.
        predictors: Model file -> what runs it.
    """
    golden_images = []
    for path, data in images.items():
        pixels = load(data, predictors[FP32].spec.pixels).pixels
        golden_images.append(
            GoldenImage(
                path=path,
                data=data,
                pixels_sha256=hashlib.sha256(pixels.tobytes()).hexdigest(),
                probabilities={
                    name: predictor.probabilities(pixels[np.newaxis])[0] for name, predictor in predictors.items()
                },
                tolerance={name: TOLERANCES[name] for name in predictors},
            )
        )
    return golden_images


def _spread(files: Sequence[Path]) -> list[Path]:
    """At most `IMAGE_COUNT` different files, evenly spaced, the first and the last among them."""
    step = (len(files) - 1) / (IMAGE_COUNT - 1)
    positions = {round(number * step) for number in range(IMAGE_COUNT)}
    return [files[position] for position in sorted(positions)]


def _pixels_of(path: Path) -> Image.Image:
    """An image as RGB, made to fit into 4000 x 3000 pixels if it is larger, without metadata."""
    image = Image.open(io.BytesIO(read_bytes(path))).convert("RGB")
    image.thumbnail(_TWELVE_MEGAPIXELS)  # WebP allows no side over 16,383 pixels
    image.info.clear()  # Pillow would write a JPEG comment and an ICC profile into the new file
    return image


def _draw(width: int, height: int, *, seed: int) -> Image.Image:
    """A colour gradient with ellipses and rectangles on it: smooth parts, edges, and four different corners."""
    random = np.random.default_rng(seed)
    corners = random.integers(0, 256, (2, 2, 3), dtype=np.uint8)
    image = Image.fromarray(corners).resize((width, height), Image.Resampling.BILINEAR)
    draw = ImageDraw.Draw(image)
    for number in range(24):
        colour = tuple(int(value) for value in random.integers(0, 256, 3))
        x, y = int(random.integers(0, width)), int(random.integers(0, height))
        radius = int(random.integers(min(width, height) // 20, min(width, height) // 5))
        shape = (x - radius, y - radius // (1 + number % 3), x + radius, y + radius // (1 + number % 3))
        (draw.ellipse if number % 2 else draw.rectangle)(shape, fill=colour)
    return image


def _with_alpha(image: Image.Image) -> Image.Image:
    ramp = Image.linear_gradient("L").resize(image.size)
    image.putalpha(ramp)
    return image


def _encode(image: Image.Image, kind: str, *, orientation: int | None = None) -> bytes:
    options: dict[str, object] = {"quality": 85} if kind in ("JPEG", "WEBP") else {}
    if orientation is not None:
        exif = Image.Exif()
        exif[_ORIENTATION_TAG] = orientation
        options["exif"] = exif
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()
