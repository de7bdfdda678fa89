"""Turn a decoded image into the model's square: upright, RGB over white, resized and cropped as torchvision does it."""

from __future__ import annotations

import numpy as np
from PIL import ExifTags, Image

from service.pixels.spec import PixelSpec

# Left, top, right, bottom, as in Pillow.
Box = tuple[float, float, float, float]

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
# Orientations that move the stored image's last column or row to the left edge (x) or to the top edge (y).
REVERSED_X = (2, 3, 6, 7)
REVERSED_Y = (3, 4, 7, 8)
_STRIP_PIXELS = 1 << 19
_FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


def exif_orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8. A missing or broken one counts as 1."""
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # noqa: BLE001  (Pillow's EXIF reader raises nearly any type; the pixels are still good)
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def swaps_sides(orientation: int) -> bool:
    """Return whether the width of the stored image is the height of the upright one."""
    return orientation >= 5


def upright_rgb(image: Image.Image, orientation: int) -> Image.Image:
    """Convert a loaded image to RGB over white, and undo its orientation.

    A large image is converted strip by strip, so that only the stored and the upright image are in memory: 8 bytes per
    pixel. Alpha and orientation one after the other would take 13.

    Returns:
        A new image, or `image` itself if it is upright RGB already.
    """
    if orientation not in _TRANSPOSITIONS and image.mode == "RGB" and not image.has_transparency_data:
        return image
    width, height = image.size
    rows = max(1, _STRIP_PIXELS // width)
    if height <= rows:
        return _transpose(_to_rgb(image), orientation)
    swapped = swaps_sides(orientation)
    result = Image.new("RGB", (height, width) if swapped else (width, height))
    for top in range(0, height, rows):
        bottom = min(height, top + rows)
        strip = _transpose(_to_rgb(image.crop((0, top, width, bottom))), orientation)
        if swapped:
            result.paste(strip, (height - bottom if orientation in REVERSED_X else top, 0))
        else:
            result.paste(strip, (0, height - bottom if orientation in REVERSED_Y else top))
    return result


def resize_to_square(
    image: Image.Image, part: Box, original_size: tuple[int, int], spec: PixelSpec
) -> tuple[Image.Image, Box]:
    """Resize one part of an image, then crop or pad it to the square of the spec.

    Args:
        image: Upright image, RGB; it may be a reduced copy of the original.
        part: Box of `image` that holds the original.
        original_size: Width and height of the upright original, pixels. All lengths are computed from it.
        spec: Size, mode and filter.

    Returns:
        The square image, and the box of the original that it shows. With mode `pad` the box reaches beyond the
        original.
    """
    resample = _FILTERS[spec.filter]
    side = spec.size
    width, height = original_size
    if spec.mode == "squish":
        return image.resize((side, side), resample, box=part), (0.0, 0.0, float(width), float(height))
    short, long = min(width, height), max(width, height)
    if spec.mode == "pad":
        other = max(1, int(side * short / long))
        new_width, new_height = (side, other) if width >= height else (other, side)
    else:
        other = max(1, int(spec.resize_short * long / short))
        new_width, new_height = (other, spec.resize_short) if width >= height else (spec.resize_short, other)
    left, top = round((new_width - side) / 2), round((new_height - side) / 2)
    resized = image.resize((new_width, new_height), resample, box=part)
    square = resized.crop((left, top, left + side, top + side))  # Pillow fills with black beyond the image (pad)
    x_scale, y_scale = width / new_width, height / new_height
    return square, (left * x_scale, top * y_scale, (left + side) * x_scale, (top + side) * y_scale)


def _transpose(image: Image.Image, orientation: int) -> Image.Image:
    transposition = _TRANSPOSITIONS.get(orientation)
    return image if transposition is None else image.transpose(transposition)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit grey: convert() would clip the values instead of scaling them
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
