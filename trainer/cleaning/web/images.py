"""An image of the catalog as the browser gets it: decoded within the service's limits, and encoded again."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from service.inputs import read_bytes
from service.pixels import decode
from service.predictor import Predictor
from service.problem import Problem
from service.ui.images import heatmap_image
from trainer.catalog import Row

THUMB_PIXELS = 320
PHOTO_PIXELS = 1600
_HEATMAP_PIXELS = 400
_QUALITY = {THUMB_PIXELS: 80, PHOTO_PIXELS: 88}
_MOST_BYTES = 1 << 30  # of a file: more than any image within the limits of `service.pixels` has


@dataclass(frozen=True, kw_only=True)
class Size:
    """Of an image, upright, and of its file."""

    width: int
    height: int
    bytes: int


def read_image(root: Path, row: Row) -> bytes:
    """Read the bytes of an image.

    Raises:
        Problem: 404 if it cannot be read, 409 if it is another one than the catalog has.
    """
    path = root / row.path
    try:
        if path.is_file() and path.stat().st_size > _MOST_BYTES:
            raise Problem(409, f"{row.path} is larger than an image can be; it was changed since.")
        data = read_bytes(path)
    except OSError as error:
        raise Problem(404, f"{row.path} cannot be read: {error.strerror or error}.") from error
    if row.sha256 and hashlib.sha256(data).hexdigest() != row.sha256:
        raise Problem(409, f"{row.path} was changed after its features were computed, so it is not shown.")
    return data


def render(data: bytes, pixels: int) -> bytes:
    """Encode an image as JPEG, reduced if a side is over `pixels`.

    Raises:
        ImageError: It cannot be decoded.
    """
    image = decode(data, short_side=pixels // 2)  # a JPEG keeps at least twice that
    image.thumbnail((pixels, pixels), Image.Resampling.LANCZOS, reducing_gap=2.0)
    image.info.clear()  # comments and profiles of the file: Pillow would write them, too
    file = io.BytesIO()
    image.save(file, "JPEG", quality=_QUALITY[pixels])
    return file.getvalue()


def size_of(data: bytes) -> Size:
    """The size of an image, upright. Raises ImageError if it cannot be decoded."""
    width, height = decode(data).size
    return Size(width=width, height=height, bytes=len(data))


def render_heatmap(data: bytes, predictor: Predictor, label: str) -> bytes:
    """Encode where the model sees a class, as a PNG with alpha that covers the image when it is stretched over it.

    Raises:
        Problem: 404 if the model has no such class, or gives no heatmaps.
        ImageError: The image cannot be decoded.
    """
    if label not in predictor.spec.classes or not predictor.has_heatmaps:
        raise Problem(404, "There is no heatmap of this class.")
    picture = predictor.load(data)
    found = predictor.heatmap(picture, predictor.spec.classes.index(label))
    scale = _HEATMAP_PIXELS / max(picture.width, picture.height)
    canvas = Image.new("RGBA", (max(1, round(picture.width * scale)), max(1, round(picture.height * scale))))
    left, top, right, bottom = (round(side * scale) for side in found.box)
    heat = heatmap_image(found.values, size=(max(1, right - left), max(1, bottom - top)))
    canvas.paste(heat, (left, top))
    file = io.BytesIO()
    canvas.save(file, "PNG")
    return file.getvalue()
