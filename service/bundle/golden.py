"""golden/: images with the probabilities that a model must give for them, wherever the bundle is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from service.bundle import canonical
from service.bundle.errors import BundleRefused

INDEX = "golden/golden.json"
COUNT_RANGE = (3, 10)


@dataclass(frozen=True, kw_only=True, eq=False)
class GoldenImage:
    """One image and what must come of it.

    path           inside the bundle
    data           the encoded image
    pixels_sha256  of its uint8 array where it was made; another decoder build may differ a little
    probabilities  model file -> float32 [K]
    tolerance      model file -> largest difference of any probability
    """

    path: str
    data: bytes
    pixels_sha256: str
    probabilities: Mapping[str, npt.NDArray[np.float32]]
    tolerance: Mapping[str, float]


def encode(images: Sequence[GoldenImage]) -> bytes:
    """The bytes of golden.json."""
    return canonical.dump(
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


def parse(files: Mapping[str, bytes], *, models: Sequence[str], class_count: int) -> tuple[GoldenImage, ...]:
    """The golden images among a bundle's verified files; raises BundleRefused."""
    value = canonical.parse_object(files[INDEX], INDEX)
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
        raise BundleRefused(f"{INDEX} names {error}, which is not there, or lacks that field") from error
    except (TypeError, ValueError) as error:
        raise BundleRefused(f"{INDEX} is malformed: {error}") from error
    least, most = COUNT_RANGE
    if not least <= len(images) <= most:
        raise BundleRefused(f"{INDEX} lists {len(images)} images, not {least} to {most}")
    for image in images:
        if any(values.shape != (class_count,) for values in image.probabilities.values()):
            raise BundleRefused(f"{INDEX}: {image.path} does not have one probability a class")
        if not all(type(value) is float and 0 < value <= 0.1 for value in image.tolerance.values()):
            raise BundleRefused(f"{INDEX}: the tolerance of {image.path} is not between 0 and 0.1")
    return images


def _probabilities(values: Sequence[float]) -> npt.NDArray[np.float32]:
    if not all(type(value) in (int, float) and 0 <= value <= 1 for value in values):
        raise ValueError("a probability is not a number from 0 to 1")
    return np.array(values, dtype=np.float32)
