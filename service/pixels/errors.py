"""Why an image gives no array.

ImageError
├── UnsupportedImage   the bytes are not an image of a format that we take
└── UndecodableImage   an image that cannot be decoded, or that is over a limit and will not be
"""

from __future__ import annotations


class ImageError(Exception):
    """An image that gives no array. The message is a sentence fit for the person who sent the image."""


class UnsupportedImage(ImageError):
    """The bytes are not an image of a format that we take."""


class UndecodableImage(ImageError):
    """An image that cannot be decoded, or that is over a limit and will not be."""
