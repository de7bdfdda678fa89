"""Images of the data, and pixels as `data:` addresses that a page can hold."""

from __future__ import annotations

import base64
import hashlib
import io
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from service.pixels import UInt8Array
from trainer.catalog import Catalog, Row
from trainer.errors import CatalogError

_QUALITY = 82
_FINE = 96  # side of a smooth heatmap, pixels
# Inferno (matplotlib, CC0), five of its 256 colours; the service's page draws its heatmaps with the same.
_COLOURS = np.array([[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]])
_MOST_OPAQUE = 0.72


def read_image(catalog: Catalog, row: Row) -> bytes:
    """The bytes of a row's file; raises CatalogError where they are not those that the run saw."""
    path = catalog.file_of(row)
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != row.sha256:
        raise CatalogError(f"{path} has changed since the run was begun; put it back as it was")
    return data


def thumbnail(pixels: UInt8Array, *, side: int) -> str:
    """A square image as the address of a JPEG: uint8 [S, S, 3], made smaller where S is over `side`."""
    image = Image.fromarray(pixels)
    if image.width > side:
        image = image.resize((side, side), Image.Resampling.LANCZOS)
    return _address(image, "jpeg")


def heatmap_layer(values: npt.NDArray[np.floating[Any]]) -> str:
    """A heatmap to lay over an image, as the address of a WebP: float [h, w] in 0..1; what is 0 is transparent."""
    fine = Image.fromarray(values.astype(np.float32)).resize((_FINE, _FINE), Image.Resampling.BICUBIC)
    heat = np.clip(np.asarray(fine), 0, 1)
    stops = np.linspace(0, 1, len(_COLOURS))
    rise = np.clip((heat - 0.1) / 0.7, 0, 1)
    channels = [np.interp(heat, stops, colour) for colour in _COLOURS.T]
    alpha = 255 * _MOST_OPAQUE * rise**2 * (3 - 2 * rise)
    return _address(Image.fromarray(np.stack([*channels, alpha], axis=2).round().astype(np.uint8)), "webp")


def _address(image: Image.Image, kind: str) -> str:
    file = io.BytesIO()
    image.save(file, kind, quality=_QUALITY)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"
