"""Image bytes -> the uint8 array that the model sees.

This is the only preprocessing code: the service runs it on every request. The trainer runs it on every validation
image, every golden image and, with a `squish` spec, on every training image that enters its cache. It uses Pillow and
NumPy only. Scaling, mean and standard deviation are part of the ONNX graph.

    errors        why an image cannot be turned into an array
    spec          PixelSpec (how an upright image becomes the square) and Limits (which images are accepted)
    decoding      open an image and decode its first frame; accepted formats
    preflight     checks on the bytes before Pillow opens or decodes them
    jpeg          the segments of a JPEG; one that lacks only its end marker is completed
    isobmff, av1  what the preflight reads of AVIF and HEIF: boxes, and the size of the frames in them
    transforms    EXIF orientation undone, RGB over white, resize and crop
    picture       all of that in order: `load`; `decode` for the image in its own size; `from_image` for an image that
                  is decoded already
"""

from service.pixels.decoding import HEIC_ADVICE, formats
from service.pixels.errors import ImageError, UndecodableImage, UnsupportedImage
from service.pixels.picture import DECODER_VERSION, Picture, UInt8Array, decode, from_image, load
from service.pixels.spec import Filter, Limits, Mode, PixelSpec

__all__ = [
    "DECODER_VERSION",
    "HEIC_ADVICE",
    "Filter",
    "ImageError",
    "Limits",
    "Mode",
    "Picture",
    "PixelSpec",
    "UInt8Array",
    "UndecodableImage",
    "UnsupportedImage",
    "decode",
    "formats",
    "from_image",
    "load",
]
