"""The model of a bundle, and what it says of an image, for people at a keyboard. Does not need torch."""

from __future__ import annotations

import html
import os
import time
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from service import prediction as service_prediction
from service import predictor as service_predictor
from service.bundle import read_bundle
from service.choosing import choose_predictor
from service.pixels import Picture, from_image
from service.ui import notebook_html
from service.ui.images import heatmap_url, jpeg_url

ImageSource = bytes | bytearray | memoryview | str | os.PathLike[str] | IO[bytes] | Image.Image | npt.NDArray[np.uint8]
_SHOWN_CLASSES = 5
_SHOWN_PIXELS = 384


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Prediction(service_prediction.Prediction):
    """The model's output for one image; see `service.prediction.Prediction` for what it holds."""

    @property
    def label(self) -> str | None:
        """The predicted class; None if there is none. For several labels, see `labels`."""
        return self.labels[0].label if self.labels else None

    def __repr__(self) -> str:
        best = ", ".join(f"{item.label!r} {item.probability:.3f}" for item in self.ranked[:_SHOWN_CLASSES])
        return f"Prediction({f'{self.abstained}; ' if self.abstained else ''}{best})"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<li><span>{html.escape(item.label)}</span>"
            f'<span class="track" style="--fraction: {item.probability:.4f}"></span>'
            f'<span class="number">{100 * item.probability:.1f} %</span></li>'
            for item in self.ranked[:_SHOWN_CLASSES]
        )
        image = f'<img src="{jpeg_url(self.picture.pixels, max_pixels=_SHOWN_PIXELS)}" alt="What the model sees">'
        if self.heatmap is not None:
            image += f'<img class="heatmap" src="{heatmap_url(self.heatmap.values)}" alt="Heatmap of the best class">'
        label = ", ".join(item.label for item in self.labels) or f"({self.abstained or 'no label'})"
        return notebook_html(
            f'<div class="prediction"><div class="seen">{image}</div>'
            f'<div class="classes"><p class="title">{html.escape(label)}</p><ul class="classes">{rows}</ul></div></div>'
        )


class Predictor(service_predictor.Predictor):
    """A loaded model; see `service.predictor.Predictor` for its attributes. Threads may share it."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes, in the order of the model's output."""
        return self.spec.classes

    def __repr__(self) -> str:
        return f"Predictor({self.name!r}, version {self.version}, {len(self.spec.classes)} classes)"

    def load(self, image: ImageSource) -> Picture:
        """Turn an image into the array that the model sees, by the code that the service uses for uploads.

        Args:
            image: An encoded image as bytes, path or file; or one that is decoded: a PIL image, or a uint8 array
                [H, W, 3] (RGB), [H, W, 4] (RGBA) or [H, W] (grey).

        Raises:
            service.pixels.ImageError: It is not an image that can be decoded, or it is over a limit of the bundle.
            OSError: The file cannot be read.
            TypeError: It is something else.
        """
        if isinstance(image, Image.Image):
            return from_image(image, self.spec.pixels)
        if isinstance(image, (str, os.PathLike)):
            return super().load(_read(image))
        if isinstance(image, (bytes, bytearray, memoryview)):
            return super().load(bytes(image))
        if hasattr(image, "read"):
            data = image.read()
            if not isinstance(data, bytes):
                raise TypeError("the file is open as text; open it with mode 'rb'")
            return super().load(data)
        if hasattr(image, "__array__"):
            return from_image(_image_of(np.asarray(image)), self.spec.pixels)
        raise TypeError(
            f"an image is bytes, a path, a file, a PIL image or an array, not {type(image).__module__}."
            f"{type(image).__qualname__}"
        )

    def predict(self, image: ImageSource, *, heatmap: bool = False) -> Prediction:
        """Classify one image.

        Args:
            image: See `load`.
            heatmap: Whether to compute where the model sees the best class.

        Raises:
            service.predictor.NoHeatmap: A heatmap is requested, and the model has none.
            ImageError, OSError, TypeError: See `load`.
        """
        start = time.perf_counter()
        picture = self.load(image)
        return self.classify(picture, heatmap=heatmap, decode_ms=1e3 * (time.perf_counter() - start))

    def classify(self, picture: Picture, **options: Any) -> Prediction:
        """Classify a picture that `load` returned; see `service.predictor.Predictor.classify`."""
        prediction = super().classify(picture, **options)
        return Prediction(**{field.name: getattr(prediction, field.name) for field in fields(prediction)})


def load(bundle: str | os.PathLike[str], *, model: str = "auto", abstain: bool = True) -> Predictor:
    """Load a bundle, a folder or a zip, and check it with its golden images.

    Args:
        bundle: The bundle.
        model: Which of its model files: `fp32`; `int8`, the network in 8-bit integers; or `auto`: int8 if the bundle
            has it, it agrees with its golden images here, and it is faster here. `model_file` of the result says
            which one it is, and `model_reason` why.
        abstain: Whether a prediction has no label if the model does not know: `abstained` of the prediction says why.

    Raises:
        BundleRefused: It is damaged, or not a bundle, or has no usable model file of that name.
    """
    return choose_predictor(read_bundle(Path(bundle)), model=model, kind=Predictor, abstain=abstain)


def _read(path: str | os.PathLike[str]) -> bytes:
    if isinstance(path, str) and path.lower().startswith(("http://", "https://")):
        raise ValueError("no address is fetched; download the image, and give its bytes or its path")
    return Path(path).read_bytes()


def _image_of(array: npt.NDArray[Any]) -> Image.Image:
    """A PIL image of a uint8 array; raises TypeError for another one."""
    channels = 1 if array.ndim == 2 else array.shape[2] if array.ndim == 3 else 0
    if array.dtype != np.uint8 or channels not in (1, 3, 4):
        raise TypeError(
            f"an array must be uint8 with height, width and 1, 3 or 4 channels, not {array.dtype} {list(array.shape)}"
        )
    return Image.fromarray(array[:, :, 0] if array.ndim == 3 and channels == 1 else array)
