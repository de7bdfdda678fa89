"""Why an image cannot be turned into an array.

ImageError
├── UnsupportedImage   the bytes are not an image in an accepted format
└── UndecodableImage   the image cannot be decoded, or it is over a limit and is not decoded
"""

from __future__ import annotations

import re

DAMAGED = "The image cannot be decoded: it is damaged."
_TRUNCATED = "The image cannot be decoded: it is damaged (truncated; its end is missing)."
_TOO_LARGE = "The image cannot be decoded: a part of it, such as a text, is too large."
# What Pillow and its decoders say of a file that ends too early.
_TRUNCATED_TEXTS = re.compile(r"truncat|end of file|not enough data|bytes not processed", re.IGNORECASE)


class ImageError(Exception):
    """An image that cannot be turned into an array.

    The message is one sentence or more, written for the person who sent the image.
    """


class UnsupportedImage(ImageError):
    """The bytes are not an image in an accepted format."""


class UndecodableImage(ImageError):
    """The image cannot be decoded, or it is over a limit and is not decoded."""


def undecodable(error: Exception) -> UndecodableImage:
    """Return the error for what a decoder raised. Its own text is for programmers, and names its own functions."""
    if "too large" in str(error):
        return UndecodableImage(_TOO_LARGE)
    is_truncated = isinstance(error, EOFError) or _TRUNCATED_TEXTS.search(str(error)) is not None
    return UndecodableImage(_TRUNCATED if is_truncated else DAMAGED)
