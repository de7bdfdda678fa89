"""Why an image cannot be turned into an array.

ImageError
├── UnsupportedImage   the bytes are not an image in an accepted format
└── UndecodableImage   the image cannot be decoded, or it is over a limit and is not decoded
"""

from __future__ import annotations


class ImageError(Exception):
    """An image that cannot be turned into an array.

    The message is one sentence or more, written for the person who sent the image.
    """


class UnsupportedImage(ImageError):
    """The bytes are not an image in an accepted format."""


class UndecodableImage(ImageError):
    """The image cannot be decoded, or it is over a limit and is not decoded."""
