"""Read and decode every image once, and keep what is measured: about 1 KB an image."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from service.inputs import read_bytes
from service.pixels import ImageError, Picture, UInt8Array, load
from trainer.checking.hashes import THUMBNAIL_SIDE, UInt64Array, perceptual_hash, thumbnail
from trainer.checking.header import Header, read_header
from trainer.checking.items import Items
from trainer.checking.measures import MEASURED, Measures, measure
from trainer.progress import Progress

_IN_FLIGHT_PER_THREAD = 4
_MAX_FILE_BYTES = 1 << 30  # more than any image within the limits of `service.pixels` has

# Takes the position and the pixels, uint8 [160, 160, 3], of each image that can be decoded, in order.
Consumer = Callable[[int, UInt8Array], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class Scan:
    """What was measured on N images, in the order of the items. What cannot be decoded has zeros and empty texts.

    Attributes:
        images: The images.
        errors: Position of an image -> why it cannot be decoded.
        sha256: Of the bytes of each file; empty if it cannot be read.
        formats: By content: JPEG, PNG ...
        cameras: Maker and model, from EXIF; empty if they are unknown.
        animated: bool [N].
        file_bytes: int64 [N].
        sizes: int64 [N, 2], upright width and height, pixels.
        measures: float32 [N, 5]: the fields of `Measures`, in their order.
        hashes: uint64 [N], perceptual hashes.
        thumbnails: uint8 [N, 16, 16, 3].
    """

    images: Items
    errors: dict[int, str]
    sha256: list[bytes]
    formats: list[str]
    cameras: list[str]
    animated: npt.NDArray[np.bool_]
    file_bytes: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]
    measures: npt.NDArray[np.float32]
    hashes: UInt64Array
    thumbnails: UInt8Array

    def __len__(self) -> int:
        return len(self.images.items)

    @property
    def decoded(self) -> npt.NDArray[np.int64]:
        """Positions of the images that can be decoded, rising."""
        return np.flatnonzero(self.sizes[:, 0])

    def measured(self, name: str) -> npt.NDArray[np.float32]:
        """One field of `Measures`, float32 [N]."""
        return self.measures[:, list(Measures.__dataclass_fields__).index(name)]


def scan(images: Items, *, threads: int, progress: Progress, consume: Consumer | None = None) -> Scan:
    """Decode every image completely, as the service does, and measure it. No file is changed.

    Args:
        images: The images.
        threads: Number of images that are decoded at the same time; memory is bounded by a few images a thread.
        progress: Is advanced by every image.
        consume: Takes the pixels of each image; None: nothing does.
    """
    count = len(images.items)
    found = Scan(
        images=images,
        errors={},
        sha256=[b""] * count,
        formats=[""] * count,
        cameras=[""] * count,
        animated=np.zeros(count, dtype=np.bool_),
        file_bytes=np.zeros(count, dtype=np.int64),
        sizes=np.zeros((count, 2), dtype=np.int64),
        measures=np.zeros((count, len(Measures.__dataclass_fields__)), dtype=np.float32),
        hashes=np.zeros(count, dtype=np.uint64),
        thumbnails=np.zeros((count, THUMBNAIL_SIDE, THUMBNAIL_SIDE, 3), dtype=np.uint8),
    )
    progress.start("check", count)
    files = (images.root / item.path for item in images.items)
    for position, image in enumerate(_in_order(files, threads=threads, keep_pixels=consume is not None)):
        found.sha256[position], found.file_bytes[position] = image.sha256, image.file_bytes
        if image.content is None:
            found.errors[position] = image.error
        else:
            _store(found, position, image.content)
            if consume is not None and image.content.pixels is not None:
                consume(position, image.content.pixels)
        progress.advance()
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class _Content:
    """What is kept of an image that can be decoded."""

    width: int
    height: int
    format: str
    header: Header
    measures: Measures
    hash: int
    thumbnail: UInt8Array
    pixels: UInt8Array | None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Image:
    """What a thread found in one file: its content, or why there is none."""

    sha256: bytes = b""
    file_bytes: int = 0
    content: _Content | None = None
    error: str = ""


def _in_order(files: Iterator[Path], *, threads: int, keep_pixels: bool) -> Iterator[_Image]:
    waiting: list[Future[_Image]] = []
    with ThreadPoolExecutor(threads, thread_name_prefix="check") as pool:
        try:
            for file in files:
                waiting.append(pool.submit(_read, file, keep_pixels=keep_pixels))
                if len(waiting) >= _IN_FLIGHT_PER_THREAD * threads:
                    yield waiting.pop(0).result()
            while waiting:
                yield waiting.pop(0).result()
        finally:
            for future in waiting:  # after Ctrl-C
                future.cancel()


def _read(file: Path, *, keep_pixels: bool) -> _Image:
    try:
        size = file.stat().st_size if file.is_file() else 0  # an archive has bounds of its own
        if size > _MAX_FILE_BYTES:
            return _Image(file_bytes=size, error=f"The file has {size:,} bytes, more than {_MAX_FILE_BYTES:,}.")
        data = read_bytes(file)
    except OSError as error:
        return _Image(error=f"The file cannot be read ({error.strerror}).")
    digest = hashlib.sha256(data).digest()
    try:
        content = _content(data, load(data, MEASURED), keep_pixels=keep_pixels)
    except ImageError as error:
        return _Image(sha256=digest, file_bytes=len(data), error=str(error))
    return _Image(sha256=digest, file_bytes=len(data), content=content)


def _content(data: bytes, picture: Picture, *, keep_pixels: bool) -> _Content:
    return _Content(
        width=picture.width,
        height=picture.height,
        format=picture.format,
        header=read_header(data),
        measures=measure(picture.pixels),
        hash=perceptual_hash(picture.pixels),
        thumbnail=thumbnail(picture.pixels),
        pixels=picture.pixels if keep_pixels else None,
    )


def _store(found: Scan, position: int, content: _Content) -> None:
    found.sizes[position] = content.width, content.height
    found.formats[position] = sys.intern(content.format)
    found.cameras[position] = sys.intern(content.header.camera)
    found.animated[position] = content.header.animated
    found.measures[position] = [getattr(content.measures, name) for name in Measures.__dataclass_fields__]
    found.hashes[position] = content.hash
    found.thumbnails[position] = content.thumbnail
