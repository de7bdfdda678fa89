"""A perceptual hash of 64 bits, and the pairs of hashes that differ in few bits. Arrays in, arrays out."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.fft import dct

from service.pixels import UInt8Array

UInt64Array = npt.NDArray[np.uint64]
Positions = npt.NDArray[np.int64]

THUMBNAIL_SIDE = 16
HASH_BITS = 64
_HASHED_SIDE = 32
_KEPT_FREQUENCIES = 8
_PAIRS_AT_ONCE = 1 << 17


def perceptual_hash(pixels: UInt8Array) -> int:
    """Hash an image so that images that look alike have hashes that differ in few bits.

    This is pHash (Zauner 2010, "Implementation and benchmarking of perceptual image hash functions"): the luma is
    reduced to 32 x 32 pixels, and the signs of its 64 lowest frequencies, relative to their median, are the bits. The
    mean brightness takes no part in the median.

    Args:
        pixels: uint8 [S, S, 3], RGB; S is a multiple of 32.

    Returns:
        64 bits.
    """
    luma = Image.fromarray(pixels).convert("L").reduce(len(pixels) // _HASHED_SIDE)
    frequencies = dct(dct(np.asarray(luma, dtype=np.float32), axis=0), axis=1)[:_KEPT_FREQUENCIES, :_KEPT_FREQUENCIES]
    flat = frequencies.ravel()
    return int.from_bytes(np.packbits(flat > np.median(flat[1:])).tobytes(), "big")


def thumbnail(pixels: UInt8Array) -> UInt8Array:
    """Reduce an image, uint8 [S, S, 3], to uint8 [16, 16, 3]; S is a multiple of 16."""
    return np.asarray(Image.fromarray(pixels).reduce(len(pixels) // THUMBNAIL_SIDE))


def near_pairs(hashes: UInt64Array, radius: int) -> Iterator[tuple[Positions, Positions]]:
    """Find the pairs of hashes that differ in at most `radius` bits.

    The bits are cut into `radius` + 1 bands. Two hashes that differ in at most `radius` bits agree in at least one band
    (pigeonhole principle), so only hashes with an equal band are compared (Norouzi, Punjani and Fleet 2012, "Fast
    search in Hamming space with multi-index hashing"). Memory is bounded, however many hashes agree.

    Args:
        hashes: uint64 [N].
        radius: 0 to 63.

    Yields:
        Two arrays int64 [P], P up to about 100,000: the positions of the two hashes of each pair, the lower one first.
        Every pair comes once.
    """
    bands = list(_bands(radius + 1))
    for number, (shift, bits) in enumerate(bands):
        band = _cut(hashes, shift, bits)
        order = np.argsort(band, kind="stable")
        hashes_in_order = hashes[order]
        for first, second in _pairs_of_equals(band[order]):
            is_near = np.bitwise_count(hashes_in_order[first] ^ hashes_in_order[second]) <= radius
            one, other = order[first[is_near]], order[second[is_near]]
            different = hashes[one] ^ hashes[other]
            is_new = np.ones(len(one), dtype=np.bool_)
            for earlier in bands[:number]:  # a pair that agrees there was found there
                is_new &= _cut(different, *earlier) != 0
            if is_new.any():
                one, other = one[is_new], other[is_new]
                yield np.minimum(one, other), np.maximum(one, other)


def _cut(values: UInt64Array, shift: int, bits: int) -> UInt64Array:
    return values >> np.uint64(shift) & np.uint64((1 << bits) - 1)


def _bands(count: int) -> Iterator[tuple[int, int]]:
    """The first bit and the number of bits of each band."""
    edges = [HASH_BITS * number // count for number in range(count + 1)]
    for start, stop in itertools.pairwise(edges):
        yield start, stop - start


def _pairs_of_equals(values: npt.NDArray[np.uint64]) -> Iterator[tuple[Positions, Positions]]:
    """Yield the pairs of positions with equal values; `values` are sorted. About 100,000 at a time."""
    starts = np.flatnonzero(np.append(True, values[1:] != values[:-1]))
    # Each position is paired with those after it in its run.
    ends = np.repeat(np.append(starts[1:], len(values)), np.diff(np.append(starts, len(values))))
    partners = ends - np.arange(len(values)) - 1
    done = np.cumsum(partners)
    start = 0
    while start < len(values):
        before = done[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(done, before + _PAIRS_AT_ONCE, side="right")))
        counts = partners[start:stop]
        total = int(counts.sum())
        if total:
            first = np.repeat(np.arange(start, stop), counts)
            offsets = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
            yield first, first + 1 + offsets
        start = stop
