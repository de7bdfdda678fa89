"""golden/: images with the probabilities that each model must give for them on every machine."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from service.bundle import canonical_json
from service.bundle.errors import BundleRefused

INDEX = "golden/golden.json"
MIN_COUNT = 3
MAX_COUNT = 10
MAX_TOLERANCE = 0.1
_HEX_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True, eq=False)
class GoldenImage:
    """One image and the result that is expected for it.

    Attributes:
        path: Path inside the bundle.
        data: The encoded image.
        pixels_sha256: SHA-256 of the uint8 array on the machine that wrote the bundle, in hex. Another build of a
            decoder may give slightly different pixels.
        probabilities: Model file -> float32 [K].
        tolerance: Model file -> largest allowed difference of any probability.
    """

    path: str
    data: bytes
    pixels_sha256: str
    probabilities: Mapping[str, npt.NDArray[np.float32]]
    tolerance: Mapping[str, float]


def encode(images: Sequence[GoldenImage]) -> bytes:
    """Return the bytes of golden.json."""
    return canonical_json.dumps(
        {
            "images": [
                {
                    "path": image.path,
                    "pixels_sha256": image.pixels_sha256,
                    "models": {
                        model: {
                            "probabilities": [float(value) for value in image.probabilities[model]],
                            "tolerance": image.tolerance[model],
                        }
                        for model in image.probabilities
                    },
                }
                for image in images
            ]
        }
    )


def parse(files: Mapping[str, bytes], *, models: Collection[str], class_count: int) -> tuple[GoldenImage, ...]:
    """Read the golden images of a bundle.

    Args:
        files: Path -> bytes of every file of the bundle, verified.
        models: Model files that need probabilities.
        class_count: Number of classes, K.

    Raises:
        BundleRefused: golden.json is malformed, or an image is missing.
    """
    listed = canonical_json.member(canonical_json.loads(files[INDEX], INDEX), "images", list, INDEX)
    if not MIN_COUNT <= len(listed) <= MAX_COUNT:
        raise BundleRefused(f"{INDEX} lists {len(listed)} images, not {MIN_COUNT} to {MAX_COUNT}")
    images = []
    for number, item in enumerate(listed):
        where = f"{INDEX}: images[{number}]"
        if not isinstance(item, dict):
            raise BundleRefused(f"{where} is not an object")
        images.append(_image(item, where, files=files, models=models))
    for image in images:
        if any(values.shape != (class_count,) for values in image.probabilities.values()):
            raise BundleRefused(f"{INDEX}: {image.path} does not have one probability per class")
        if not all(type(value) is float and 0 < value <= MAX_TOLERANCE for value in image.tolerance.values()):
            raise BundleRefused(f"{INDEX}: the tolerance of {image.path} is not between 0 and {MAX_TOLERANCE}")
    return tuple(images)


def _image(item: Mapping[str, Any], where: str, *, files: Mapping[str, bytes], models: Collection[str]) -> GoldenImage:
    path = canonical_json.member(item, "path", str, where)
    if path not in files:
        raise BundleRefused(f"{where}: there is no file {path!r}")
    pixels_sha256 = canonical_json.member(item, "pixels_sha256", str, where)
    if not _HEX_DIGEST.fullmatch(pixels_sha256):
        raise BundleRefused(f"{where}: pixels_sha256 is not 64 hex digits")
    expected = canonical_json.member(item, "models", dict, where)
    probabilities, tolerance = {}, {}
    for model in models:
        inside = f"{where}.models.{model}"
        values = canonical_json.member(expected, model, dict, f"{where}.models")
        probabilities[model] = _probabilities(canonical_json.member(values, "probabilities", list, inside), inside)
        if "tolerance" not in values:
            raise BundleRefused(f"{inside} has no field 'tolerance'")
        tolerance[model] = values["tolerance"]
    return GoldenImage(
        path=path, data=files[path], pixels_sha256=pixels_sha256, probabilities=probabilities, tolerance=tolerance
    )


def _probabilities(values: Sequence[Any], where: str) -> npt.NDArray[np.float32]:
    if not all(type(value) in (int, float) and 0 <= value <= 1 for value in values):
        raise BundleRefused(f"{where}: a probability is not a number from 0 to 1")
    return np.array(values, dtype=np.float32)
