"""The stored pixels as RGB over white, the way up that the image was seen."""

from __future__ import annotations

import numpy as np
from PIL import Image

_TAG = 0x0112
# EXIF orientation -> the transposition that makes the stored image upright (Exif 2.32, 4.6.4 A).
_TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Orientations that take the stored image's far end to the near one: its right or bottom to the left, or to the top.
MIRRORED_ACROSS, MIRRORED_DOWN = (2, 3, 6, 7), (3, 4, 7, 8)
_STRIP_PIXELS = 1 << 19


def orientation_of(image: Image.Image) -> int:
    """EXIF orientation, 1 to 8; whatever is broken counts as 1."""
    try:
        value = image.getexif().get(_TAG, 1)
    except Exception:  # noqa: BLE001  (Pillow's EXIF reader raises nearly any type; the pixels are still good)
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def is_turned(orientation: int) -> bool:
    """Whether the stored image's width is the upright image's height."""
    return orientation >= 5


def upright_rgb(image: Image.Image, orientation: int) -> Image.Image:
    """A loaded image as RGB over white, turned and mirrored as the orientation says; the image itself where it is that.

    Long ones are done a strip at a time, so that there is nothing but the stored and the upright image at once: 8 bytes
    a pixel, where alpha and an orientation one after the other would take 13.
    """
    if orientation not in _TRANSPOSITIONS and _is_plain(image):
        return image
    width, height = image.size
    rows = max(1, _STRIP_PIXELS // width)
    if height <= rows:
        return _turned(_to_rgb(image), orientation)
    result = Image.new("RGB", (height, width) if is_turned(orientation) else (width, height))
    for top in range(0, height, rows):
        bottom = min(height, top + rows)
        strip = _turned(_to_rgb(image.crop((0, top, width, bottom))), orientation)
        if is_turned(orientation):
            result.paste(strip, (height - bottom if orientation in MIRRORED_ACROSS else top, 0))
        else:
            result.paste(strip, (0, height - bottom if orientation in MIRRORED_DOWN else top))
    return result


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    transposition = _TRANSPOSITIONS.get(orientation)
    return image if transposition is None else image.transpose(transposition)


def _is_plain(image: Image.Image) -> bool:
    return image.mode == "RGB" and not image.has_transparency_data


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit grey: convert() would clip what it should scale
        wide = np.asarray(image).astype(np.uint32)
        np.minimum(wide, 65535, out=wide)
        wide[wide == image.info.get("transparency", -1)] = 65535
        return Image.fromarray(((wide + 128) // 257).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        rgba = image if image.mode == "RGBA" else image.convert("RGBA")
        white = Image.new("RGB", image.size, "white")
        white.paste(rgba, mask=rgba)
        return white
    return image if image.mode == "RGB" else image.convert("RGB")
