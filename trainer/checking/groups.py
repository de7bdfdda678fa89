"""Which images are the same, or nearly, and which one of each group to keep."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from service.inputs import read_bytes
from service.pixels import ImageError, UInt8Array, decode
from trainer.checking.hashes import UInt64Array, near_pairs
from trainer.checking.scan import Scan
from trainer.links import Links

Positions = npt.NDArray[np.int64]

# Bits in which the hashes of near duplicates may differ.
HAMMING_RADIUS = 8
# The lowest correlation of their thumbnails. The first one is always enough. The others are only enough if going down
# to each of them adds at most half as many pairs: among scans of digits, more and more different ones are so alike.
_CORRELATIONS = (0.995, 0.99, 0.985, 0.98, 0.97, 0.96, 0.95)
_FEW_PAIRS = 3
_LEAST_CONTRAST = 4.0  # of 255, standard deviation: a thumbnail with less shows nothing that could be compared
_SPLIT_ORDER = ("test", "valid", "train", "")  # the image of a group to keep is in the first of these
_LOSSLESS = ("PNG", "BMP", "GIF")
_PAIRS_AT_ONCE = _ROWS_AT_ONCE = 1 << 13
_MOST_PAIRS = 5_000_000  # where all images are alike; they are in one group long before


def same_bytes(digests: Sequence[bytes]) -> Positions:
    """The group of each file, int64 [N]: files with the same hash are one group, a file without hash is one of its own.

    Args:
        digests: Hash of each file; empty if it is unknown.
    """
    numbers: dict[bytes | int, int] = {}
    keys = (digest or position for position, digest in enumerate(digests))
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def near_duplicate_pairs(scan: Scan, positions: Positions) -> tuple[Positions, npt.NDArray[np.float32]]:
    """Find pairs of images that look nearly the same.

    Candidates have perceptual hashes that differ in at most 8 of 64 bits. A pair is found if the thumbnails of both
    correlate, too. How much is decided by the set: 0.95 is enough, or 0.995 is needed if many of its images are alike.

    Args:
        scan: The images.
        positions: int64 [M], of those to compare; images of one colour would all be alike.

    Returns:
        int64 [P, 2] positions, and float32 [P] correlations; P is at most about five million.
    """
    pairs, correlations = _candidates(scan.hashes[positions], scan.thumbnails[positions])
    counts = [int((correlations >= least).sum()) for least in _CORRELATIONS]
    least, accepted = _CORRELATIONS[0], counts[0]
    for value, count in zip(_CORRELATIONS[1:], counts[1:], strict=True):
        if count - accepted > max(_FEW_PAIRS, accepted // 2):
            break
        least, accepted = value, count
    kept = correlations >= least
    return positions[pairs[kept]], correlations[kept]


def same_pixels(scan: Scan, pairs: Positions, *, threads: int) -> Positions:
    """The pairs, int64 [Q, 2], of those in int64 [P, 2] that have exactly the same pixels when they are upright.

    Only images that look the same and have the same size are decoded once more, in their own size.
    """
    alike = pairs[(scan.sizes[pairs[:, 0]] == scan.sizes[pairs[:, 1]]).all(axis=1)]
    needed = np.unique(alike).tolist()
    with ThreadPoolExecutor(threads, thread_name_prefix="pixels") as pool:
        digests = dict(zip(needed, pool.map(lambda position: _pixel_digest(scan, position), needed), strict=True))
    same = [digests[one] is not None and digests[one] == digests[other] for one, other in alike.tolist()]
    return np.asarray(alike[np.array(same, dtype=np.bool_)], dtype=np.int64)


def joined(groups: Positions, pairs: Positions) -> Positions:
    """Groups, int64 [N], after the groups of both images of each pair, int64 [P, 2], were joined."""
    links = Links(len(groups))
    _, first = np.unique(groups, return_index=True)
    links.join_pairs(np.arange(len(groups)), first[groups])
    links.join_pairs(pairs[:, 0], pairs[:, 1])
    return links.groups()


def members(groups: Positions) -> list[Positions]:
    """The positions in each group of two or more, rising; the groups by their first position."""
    order = np.argsort(groups, kind="stable")
    cuts = np.flatnonzero(np.diff(groups[order])) + 1
    return sorted((part for part in np.split(order, cuts) if len(part) > 1), key=lambda part: int(part[0]))


def choose_kept(scan: Scan, group: Iterable[int]) -> int:
    """Propose the image of a group to keep.

    It is one of the test images, or else of the validation images, because results were compared on those; then the one
    with the most pixels, without loss, with the most bytes; then the first one.
    """

    def order(position: int) -> tuple[int, int, bool, int, str]:
        item = scan.images.items[position]
        width, height = scan.sizes[position].tolist()
        return (
            _SPLIT_ORDER.index(item.split),
            -width * height,
            scan.formats[position] not in _LOSSLESS,
            -int(scan.file_bytes[position]),
            item.path,
        )

    return min(group, key=order)


def single_content_classes(groups: Positions, labels: Sequence[frozenset[str]]) -> Mapping[str, int]:
    """Classes with several images that are all in one group: label -> number of its images."""
    found: defaultdict[str, list[int]] = defaultdict(list)
    for group, names in zip(groups.tolist(), labels, strict=True):
        for name in names:
            found[name].append(group)
    return {name: len(numbers) for name, numbers in found.items() if len(numbers) > 1 and len(set(numbers)) == 1}


def _candidates(hashes: UInt64Array, thumbnails: UInt8Array) -> tuple[Positions, npt.NDArray[np.float32]]:
    """Pairs with near hashes and a correlation of at least the lowest: int64 [P, 2], float32 [P]."""
    flat = thumbnails.reshape(len(thumbnails), -1)
    means = flat.mean(axis=1, dtype=np.float32)
    chunks = [slice(start, start + _ROWS_AT_ONCE) for start in range(0, len(flat), _ROWS_AT_ONCE)]
    deviations = [flat[chunk].std(axis=1, dtype=np.float32) for chunk in chunks]  # std() makes a copy in float32
    lengths = np.sqrt(flat.shape[1]) * np.concatenate([np.empty(0, dtype=np.float32), *deviations])
    has_contrast = lengths >= _LEAST_CONTRAST * np.sqrt(flat.shape[1])
    found: list[tuple[Positions, npt.NDArray[np.float32]]] = []
    count = 0
    for first, second in near_pairs(hashes, HAMMING_RADIUS):
        for start in range(0, len(first), _PAIRS_AT_ONCE):
            one, other = first[start : start + _PAIRS_AT_ONCE], second[start : start + _PAIRS_AT_ONCE]
            usable = has_contrast[one] & has_contrast[other]
            one, other = one[usable], other[usable]
            products = np.einsum("ij,ij->i", flat[one].astype(np.float32), flat[other].astype(np.float32))
            centred = products - flat.shape[1] * means[one] * means[other]
            correlations = (centred / (lengths[one] * lengths[other])).astype(np.float32)
            kept = correlations >= _CORRELATIONS[-1]
            found.append((np.stack([one[kept], other[kept]], axis=1), correlations[kept]))
            count += int(kept.sum())
        if count > _MOST_PAIRS:
            break
    if not found:
        return np.empty((0, 2), dtype=np.int64), np.empty(0, dtype=np.float32)
    return np.concatenate([pairs for pairs, _ in found]), np.concatenate([values for _, values in found])


def _pixel_digest(scan: Scan, position: int) -> bytes | None:
    """A hash of the upright pixels; None if the file has changed since."""
    try:
        data = read_bytes(scan.images.root / scan.images.items[position].path)
        image = decode(data)
    except (OSError, ImageError):
        return None
    return hashlib.sha256(image.tobytes()).digest()
