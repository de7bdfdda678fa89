"""Images as arrays: decoded once into a cache on disk, augmented in whole batches on the device."""

from trainer.data.augment import augment
from trainer.data.cache import PixelCache, fill_cache
from trainer.data.images import Images, ResidentImages, StreamedImages, has_room, open_images, to_device
from trainer.data.uniforms import uniforms

__all__ = [
    "Images",
    "PixelCache",
    "ResidentImages",
    "StreamedImages",
    "augment",
    "fill_cache",
    "has_room",
    "open_images",
    "to_device",
    "uniforms",
]
