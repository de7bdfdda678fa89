"""golden/: images with the probabilities that each model must give for them on every machine."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from service.bundle import canonical_json
from service.bundle.errors import BundleRefused

INDEX = "golden/golden.json"
MIN_COUNT = 3
MAX_COUNT = 10
MAX_TOLERANCE = 0.1


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
    value = canonical_json.loads(files[INDEX], INDEX)
    try:
        images = tuple(
            GoldenImage(
                path=item["path"],
                data=files[item["path"]],
                pixels_sha256=item["pixels_sha256"],
                probabilities={model: _probabilities(item["models"][model]["probabilities"]) for model in models},
                tolerance={model: item["models"][model]["tolerance"] for model in models},
            )
            for item in value["images"]
        )
    except KeyError as error:
        raise BundleRefused(f"{INDEX} has no field {error}, or there is no file of that name") from error
    except (TypeError, ValueError) as error:
        raise BundleRefused(f"{INDEX} is malformed: {error}") from error
    if not MIN_COUNT <= len(images) <= MAX_COUNT:
        raise BundleRefused(f"{INDEX} lists {len(images)} images, not {MIN_COUNT} to {MAX_COUNT}")
    for image in images:
        if any(values.shape != (class_count,) for values in image.probabilities.values()):
            raise BundleRefused(f"{INDEX}: {image.path} does not have one probability per class")
        if not all(type(value) is float and 0 < value <= MAX_TOLERANCE for value in image.tolerance.values()):
            raise BundleRefused(f"{INDEX}: the tolerance of {image.path} is not between 0 and {MAX_TOLERANCE}")
    return images


def _probabilities(values: Sequence[float]) -> npt.NDArray[np.float32]:
    if not all(type(value) in (int, float) and 0 <= value <= 1 for value in values):
        raise ValueError("a probability is not a number from 0 to 1")
    return np.array(values, dtype=np.float32)
