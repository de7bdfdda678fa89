"""Images as arrays: decoded once into a cache on disk, augmented in whole batches on the device."""

from trainer.data.augment import augment, crop_corners, uniforms
from trainer.data.cache import Decoding, PixelCache, fill_cache
from trainer.data.images import Images, PreloadedImages, StreamedImages, fits_on_gpu, open_images, to_device
from trainer.data.prepare import Prepared, TrainingData, cache_spec, prepare, prepare_validation

__all__ = [
    "Decoding",
    "Images",
    "PixelCache",
    "PreloadedImages",
    "Prepared",
    "StreamedImages",
    "TrainingData",
    "augment",
    "cache_spec",
    "crop_corners",
    "fill_cache",
    "fits_on_gpu",
    "open_images",
    "prepare",
    "prepare_validation",
    "to_device",
    "uniforms",
]
