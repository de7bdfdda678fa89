"""Which formats are taken, and how an image is opened: by its content, never by its name."""

from __future__ import annotations

import functools
import io
import re
import warnings

from PIL import AvifImagePlugin, Image, UnidentifiedImageError

from service.pixels.errors import UndecodableImage, UnsupportedImage

_MAX_READS = 100_000
_QUIET = ("ignore", None, Warning, re.compile(r"PIL\."), 0)


@functools.cache
def formats() -> tuple[str, ...]:
    """The formats that are taken, by Pillow's names; HEIF among them where pillow-heif is installed.

    An image is decoded by the thread that asks for it: another for each core of the host would be taken from others.
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
    """The image with its header read and nothing decoded; raises UnsupportedImage and UndecodableImage."""
    _quiet()
    try:
        return Image.open(_File(data), formats=formats())
    except UnidentifiedImageError as error:
        if _begins_as_image(data):
            raise UndecodableImage("The image cannot be decoded; it may be damaged.") from error
        raise UnsupportedImage(
            f"This is not an image of a format that is taken here ({', '.join(formats())})."
        ) from error
    except Image.DecompressionBombError as error:
        raise UndecodableImage("The image has more pixels than are taken here.") from error


class _File(io.BytesIO):
    """Bytes that may be read so many times only.

    Pillow reads the parts of a header one after the other, in Python. Of empty ones 20 MB hold millions, and going
    through them would keep all other threads waiting for seconds; photos have a few thousand at most.
    """

    reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """As io.BytesIO.read; raises UndecodableImage."""
        self.reads += 1
        if self.reads > _MAX_READS:
            raise UndecodableImage("The image is made of more parts than are taken here.")
        return super().read(size)


def _begins_as_image(data: bytes) -> bool:
    accepts = (Image.OPEN[name][1] for name in formats())
    return any(accept is not None and accept(data[:16]) is True for accept in accepts)


def _quiet() -> None:
    """Keep Pillow from warning of what a stranger's bytes hold: Python would print and remember every such text.

    The filter stays, since `warnings.catch_warnings` is not for threads.
    """
    if warnings.filters[:1] != [_QUIET]:
        warnings.filterwarnings("ignore", module=_QUIET[3].pattern)
