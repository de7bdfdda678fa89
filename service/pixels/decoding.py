"""Open an image and decode its first frame, with Pillow. The format is found by content, never by file name."""

from __future__ import annotations

import functools
import io
import re
import warnings

from PIL import AvifImagePlugin, Image, UnidentifiedImageError

from service.pixels.errors import DAMAGED, UndecodableImage, UnsupportedImage

HEIC_ADVICE = "HEIC is read only with an extra: pip install 'fieldguide[heic]'"
_MAX_READS = 100_000
_JPEG_REDUCTIONS = (8, 4, 2)
_PILLOW_MODULES = r"PIL\."
_IGNORE_PILLOW = ("ignore", None, Warning, re.compile(_PILLOW_MODULES), 0)


@functools.cache
def formats() -> tuple[str, ...]:
    """Return Pillow's names of the accepted formats. HEIF is among them if pillow-heif is installed.

    The first call also sets libavif and libheif to one thread. They would start one per core of the host for each
    image, and take those cores from other images.
    """
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    always = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF")
    try:
        import pillow_heif
    except ImportError:
        return always
    pillow_heif.register_heif_opener(decode_threads=1)
    return (*always, "HEIF")


def open_image(data: bytes) -> Image.Image:
    """Read the header of an image; decode nothing.

    Raises:
        UnsupportedImage: The bytes are not an image in an accepted format.
        UndecodableImage: The header is damaged, or has too many pixels or parts.
    """
    _silence_pillow()
    try:
        return Image.open(_BoundedReader(data), formats=formats())
    except UnidentifiedImageError as error:
        if _has_image_signature(data):
            raise UndecodableImage(DAMAGED) from error
        if _is_heic(data):
            raise UnsupportedImage(f"The image is HEIC. {HEIC_ADVICE}.") from error
        raise UnsupportedImage(f"This is not an image in an accepted format ({', '.join(formats())}).") from error
    except Image.DecompressionBombError as error:
        raise UndecodableImage("The image has too many pixels.") from error


class _BoundedReader(io.BytesIO):
    """Bytes that can be read at most `_MAX_READS` times.

    Pillow reads the parts of a header one by one, in Python. A file of 20 MB can hold millions of empty parts;
    reading them would block all other threads for seconds. Photos have a few thousand parts at most.
    """

    reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Read like io.BytesIO; raise UndecodableImage after too many reads."""
        self.reads += 1
        if self.reads > _MAX_READS:
            raise UndecodableImage("The image has too many parts.")
        return super().read(size)


def draft(image: Image.Image, resize_short: int) -> tuple[float, float]:
    """Let libjpeg scale a JPEG while it decodes; the short side stays at least twice `resize_short`.

    Returns:
        How many columns and rows of the scaled image the original covers: 577 pixels at an eighth cover 72.125 of 73
        columns. The size of the image if it is not scaled, as in every other format.
    """
    width, height = image.size
    if image.format in ("JPEG", "MPO"):
        for reduction in _JPEG_REDUCTIONS:
            if -(-min(width, height) // reduction) >= 2 * resize_short:
                drafted = image.draft(None, (width // reduction, height // reduction))
                return drafted[1][2:] if drafted else (width, height)
    return width, height


def first_frame(image: Image.Image) -> Image.Image:
    """Decode the first frame of an opened image.

    Pillow's WebP and AVIF images keep their decoder, and the decoder keeps the frame too: together 16 bytes per pixel
    or more. So this takes the frame from the decoder, as `Image.load` would, and releases the decoder before the image
    is made. If Pillow has changed inside and there is no such decoder, `Image.load` does it.

    Returns:
        The same image, loaded, or a new one with the same pixels, mode and metadata.
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


def _has_image_signature(data: bytes) -> bool:
    accepts = (Image.OPEN[name][1] for name in formats())
    return any(accept is not None and accept(data[:16]) is True for accept in accepts)


def _is_heic(data: bytes) -> bool:
    """Whether the first box names a brand of HEIF (ISO/IEC 23008-12); AVIF has others."""
    return data[4:8] == b"ftyp" and (data[8:10] == b"he" or data[8:12] in (b"mif1", b"msf1"))


def _silence_pillow() -> None:
    """Turn off Pillow's warnings about an image: Python would print each different text, and remember it for ever.

    The filter stays in place, since `warnings.catch_warnings` is not safe with threads.
    """
    if warnings.filters[:1] != [_IGNORE_PILLOW]:
        warnings.filterwarnings("ignore", module=_PILLOW_MODULES)
