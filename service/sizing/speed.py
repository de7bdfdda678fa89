"""Measures how long this machine takes for one photo: decoding and inference, on one core."""

from __future__ import annotations

import io
import platform
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from service.cores import usable_cores
from service.prediction import Prediction
from service.predictor import Predictor
from service.sizing.needs import Speed

_JPEG_QUALITY = 85
_TILE = (1024, 768)
# (columns of random colours, contrast): from large shapes to details. With the noise of a sensor, a pixel takes a
# quarter of a byte, as in photos of phones; a smooth picture would take less, and would be decoded too fast.
_SHAPES = ((4, 60), (16, 40), (64, 20), (256, 12))
_NOISE = 5.0


def measure_speed(predictor: Predictor, photos: Sequence[bytes], *, seconds: float) -> Speed:
    """Classify photos one after the other for a time, and take the medians.

    Args:
        predictor: The model.
        photos: Encoded photos, at least one. Each is classified at least once, and one more for warming up.
        seconds: For how long.

    Raises:
        service.pixels.ImageError: A photo cannot be decoded.
    """
    predictor.predict(photos[0])
    predictions: list[Prediction] = []
    start = time.perf_counter()
    while len(predictions) < len(photos) or time.perf_counter() - start < seconds:
        predictions.append(predictor.predict(photos[len(predictions) % len(photos)]))
    seen = [prediction.picture for prediction in predictions[: len(photos)]]
    return Speed(
        decode_ms=statistics.median(prediction.decode_ms for prediction in predictions),
        infer_ms=statistics.median(prediction.infer_ms for prediction in predictions),
        megapixels=statistics.mean(picture.width * picture.height / 1e6 for picture in seen),
        photo_bytes=round(statistics.mean(map(len, photos))),
    )


def make_photo(megapixels: float) -> bytes:
    """Make a JPEG that takes about as many bytes and as long to decode as a photo of this size."""
    width, height = _TILE
    random = np.random.default_rng(0)
    values = np.full((height, width, 3), 128.0, dtype=np.float32)
    for columns, contrast in _SHAPES:
        colours = random.integers(0, 256, (3 * columns // 4, columns, 3), dtype=np.uint8)
        shapes = Image.fromarray(colours).resize(_TILE, Image.Resampling.BICUBIC)
        values += (np.asarray(shapes, dtype=np.float32) - 128) * (contrast / 128)
    values += random.normal(0, _NOISE, (height, width, 1)).astype(np.float32)
    tile = Image.fromarray(values.clip(0, 255).astype(np.uint8))
    rows = max(1, round((1e6 * megapixels * height / width) ** 0.5))
    photo = Image.new("RGB", (max(1, round(1e6 * megapixels / rows)), rows))
    for left in range(0, photo.width, width):
        for top in range(0, photo.height, height):
            photo.paste(tile, (left, top))
    file = io.BytesIO()
    photo.save(file, "JPEG", quality=_JPEG_QUALITY)
    return file.getvalue()


def machine_name() -> str:
    """Return the processor of this machine, and how many cores this process may use."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    processor = next(named, platform.processor() or platform.machine())
    return f"{processor}, {usable_cores()} usable cores"
