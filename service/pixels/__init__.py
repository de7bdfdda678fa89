"""Image bytes -> the uint8 array that the model sees.

This is the only preprocessing code there is: the service runs it on every request, and the trainer on every
validation image, every golden image and (with a `squish` spec) on every training image that enters its cache.
It uses Pillow and NumPy only. Scaling, mean and standard deviation happen inside the ONNX graph.

    spec         how an upright image becomes the square: PixelSpec
    limits       what an image may be before any pixel is allocated
    formats      which formats are taken; opens an image
    hazards      what bytes say of themselves before Pillow reads them: a WebP's canvas, a JPEG's scans, a BMP's packing
    isobmff, av1 the same for AVIF and HEIF: boxes, and the frames that a decoder would make
    decoding     the stored pixels, at 12 bytes each at most
    upright      RGB over white, the way up that it was seen
    fitting      the resize and the crop
    picture      all of that in order: `load`
"""

from service.pixels.errors import ImageError, UndecodableImage, UnsupportedImage
from service.pixels.formats import formats
from service.pixels.limits import Limits
from service.pixels.picture import DECODER_VERSION, Picture, UInt8Array, load
from service.pixels.spec import Filter, Mode, PixelSpec

__all__ = [
    "DECODER_VERSION",
    "Filter",
    "ImageError",
    "Limits",
    "Mode",
    "Picture",
    "PixelSpec",
    "UInt8Array",
    "UndecodableImage",
    "UnsupportedImage",
    "formats",
    "load",
]
