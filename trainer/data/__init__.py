"""Images as arrays: decoded once into a cache on disk, augmented in whole batches on the device."""

from trainer.data.augment import augment, crop_corners, uniforms
from trainer.data.cache import CacheFull, Decoding, PixelCache, fill_cache
from trainer.data.housekeeping import CacheEntry, clear_caches, format_bytes, list_caches, max_cache_bytes, parse_bytes
from trainer.data.images import Images, PreloadedImages, StreamedImages, fits_on_gpu, open_images, to_device
from trainer.data.prepare import (
    Prepared,
    TrainingData,
    cache_spec,
    decode_learned,
    hash_and_decode,
    prepare,
    prepare_export,
)
from trainer.data.source import PixelSource
from trainer.data.uncached import DecodingWorkers, UncachedPixels

__all__ = [
    "CacheEntry",
    "CacheFull",
    "Decoding",
    "DecodingWorkers",
    "Images",
    "PixelCache",
    "PixelSource",
    "PreloadedImages",
    "Prepared",
    "StreamedImages",
    "TrainingData",
    "UncachedPixels",
    "augment",
    "cache_spec",
    "clear_caches",
    "crop_corners",
    "decode_learned",
    "fill_cache",
    "fits_on_gpu",
    "format_bytes",
    "hash_and_decode",
    "list_caches",
    "max_cache_bytes",
    "open_images",
    "parse_bytes",
    "prepare",
    "prepare_export",
    "to_device",
    "uniforms",
]
