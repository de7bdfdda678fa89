"""The stored pixels of an opened image, without what its decoder holds beside them."""

from __future__ import annotations

from PIL import Image

_JPEG_REDUCTIONS = (8, 4, 2)


def draft(image: Image.Image, resize_short: int) -> tuple[float, float]:
    """Let libjpeg scale while it decodes, keeping the short side at least twice what is needed.

    Returns how many of the scaled columns and rows the image covers: 577 pixels at an eighth are 72.125 of 73. Where
    there is nothing to scale, as with every other format, that is its size.
    """
    width, height = image.size
    if image.format in ("JPEG", "MPO"):
        for reduction in _JPEG_REDUCTIONS:
            if -(-min(width, height) // reduction) >= 2 * resize_short:
                drafted = image.draft(None, (width // reduction, height // reduction))
                return drafted[1][2:] if drafted else (width, height)
    return width, height


def first_frame(image: Image.Image) -> Image.Image:
    """The opened image with its pixels, or another one with the same pixels, mode and metadata.

    Images that Pillow loads from WebP and AVIF keep their decoder, which holds the frame as well: 16 and more bytes a
    pixel together. So the frame is taken from the decoder, as `load` would, and the decoder is let go before there is
    an image. Where Pillow has changed inside, `load` does it.
    """
    decoder = vars(image).pop("_decoder", None) if image.format in ("WEBP", "AVIF") else None
    if decoder is None:
        image.load()
        return image
    frame = decoder.get_next() if image.format == "WEBP" else decoder.get_frame(0)
    if frame is None:
        raise EOFError("it has no frame that can be decoded")
    del decoder
    rawmode = getattr(image, "rawmode", image.mode)
    loaded = Image.frombytes(image.mode, image.size, frame[0], "raw", rawmode)
    loaded.info = image.info
    return loaded
