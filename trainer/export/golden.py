"""Golden images: what a bundle must answer the same for, wherever it is loaded."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from service.bundle import GoldenImage
from service.pixels import load
from service.predictor import Predictor

# Decoders and processors differ in the last digits; a wrong channel order or resize is off by far more.
TOLERANCE = 0.01
_ORIENTATION_TAG = 0x0112
_TWELVE_MEGAPIXELS = (4000, 3000)


def synthetic_images() -> dict[str, bytes]:
    """Drawn images, nothing private: path in the bundle -> bytes. JPEG, PNG with alpha, WebP, 12 megapixels turned."""
    return {
        "golden/1.jpg": _encode(_draw(640, 480, seed=1), "JPEG"),
        "golden/2.png": _encode(_with_alpha(_draw(420, 560, seed=2)), "PNG"),
        "golden/3.webp": _encode(_draw(512, 384, seed=3), "WEBP"),
        "golden/4.jpg": _encode(_draw(*_TWELVE_MEGAPIXELS, seed=4), "JPEG", orientation=6),
    }


def images_from(pictures: Sequence[bytes]) -> dict[str, bytes]:
    """The same four kinds, made from the user's own images (at least one)."""
    opened = [Image.open(io.BytesIO(pictures[number % len(pictures)])).convert("RGB") for number in range(4)]
    for image in opened:
        image.thumbnail(_TWELVE_MEGAPIXELS)  # WebP takes no side over 16,383 pixels
    return {
        "golden/1.jpg": _encode(opened[0], "JPEG"),
        "golden/2.png": _encode(opened[1], "PNG"),
        "golden/3.webp": _encode(opened[2], "WEBP"),
        "golden/4.jpg": _encode(opened[3].resize(_TWELVE_MEGAPIXELS), "JPEG", orientation=6),
    }


def make_golden(images: dict[str, bytes], predictor: Predictor, *, model_file: str) -> list[GoldenImage]:
    """Run each image through the service's own code and write down what came of it."""
    golden = []
    for path, data in images.items():
        pixels = load(data, predictor.spec.pixels).pixels
        golden.append(
            GoldenImage(
                path=path,
                data=data,
                pixels_sha256=hashlib.sha256(pixels.tobytes()).hexdigest(),
                probabilities={model_file: predictor.probabilities(pixels[np.newaxis])[0]},
                tolerance={model_file: TOLERANCE},
            )
        )
    return golden


def _draw(width: int, height: int, *, seed: int) -> Image.Image:
    """A colour gradient with discs and bars on it: smooth parts, edges, and every corner different."""
    random = np.random.default_rng(seed)
    corners = random.integers(0, 256, (2, 2, 3), dtype=np.uint8)
    image = Image.fromarray(corners).resize((width, height), Image.Resampling.BILINEAR)
    draw = ImageDraw.Draw(image)
    for number in range(24):
        colour = tuple(int(value) for value in random.integers(0, 256, 3))
        x, y = int(random.integers(0, width)), int(random.integers(0, height))
        reach = int(random.integers(min(width, height) // 20, min(width, height) // 5))
        shape = (x - reach, y - reach // (1 + number % 3), x + reach, y + reach // (1 + number % 3))
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
