"""Which images show nearly the same: those whose embeddings, whitened, point the same way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]
Units = npt.NDArray[np.float32]

# Of a random fifth of the grocery photos' train.csv more than a third have one so alike among the others, of val.csv a
# few in a hundred: `tests/benchmarks/near_duplicates.py` measures it.
ALIKE = 0.75
MANY, _FEWER = 900, 1.5
_DIRECTIONS = 256
_BLOCK_ROWS, _BLOCK_COLUMNS, _CHUNK = 1024, 8192, 8192


def whiten(features: FloatArray) -> Units:
    """Embeddings of images that belong together -> unit vectors whose product says how alike two images are.

    features  [N, C]: one row an image, all of them from one network

    Returns float32 [N, D], D <= 256, rows of length 1. The embeddings are centred and turned onto their principal
    directions; those in which the images differ much count less (Jegou and Chum 2012, "Negative evidences and
    co-occurrences in image retrieval: the benefit of PCA and whitening"), so that what all images of a class share
    does not make them alike. A direction that holds less than a 256th of the variance is not blown up: it may be noise.

    Of fewer than 900 images each has so large a part in the directions that whitening would tear near duplicates apart.
    So less is whitened there: that share grows with (900 / N) ** 1.5, found by trial on random classes of the grocery
    photos. Of 40 to 320 images a third to a half as many are found alike as among all photos, enough to tell; a higher
    share would call other images of little variety, such as small scans of digits, alike too, and some it does.
    """
    centre = features.mean(axis=0, dtype=np.float64).astype(np.float32)
    coordinates, variances = _principal(features, centre)
    share = max(1.0, MANY / len(features)) ** _FEWER / _DIRECTIONS
    scaled = coordinates / np.sqrt(variances + share * max(variances.sum(), 1e-12))
    lengths = np.linalg.norm(scaled, axis=1, keepdims=True)
    return np.asarray(scaled / np.maximum(lengths, 1e-12), dtype=np.float32)


def nearest(queries: Units, keys: Units) -> tuple[npt.NDArray[np.int64], Units]:
    """Of each query the position of the most similar key, and how similar it is: int64 [M], float32 [M] in -1..1."""
    positions = np.zeros(len(queries), dtype=np.int64)
    similarities = np.full(len(queries), -np.inf, dtype=np.float32)
    for rows, columns in _blocks(len(queries), len(keys)):
        products = queries[rows] @ keys[columns].T
        found = products.argmax(axis=1)
        values = products[np.arange(len(found)), found]
        better = values > similarities[rows]
        positions[rows] = np.where(better, found + columns.start, positions[rows])
        similarities[rows] = np.maximum(values, similarities[rows])
    return positions, similarities


def near_duplicate_groups(features: FloatArray, *, threshold: float = ALIKE) -> npt.NDArray[np.int64]:
    """A number for each image: int64 [N], 0 .. groups - 1 in order of first appearance.

    Images at least so alike have the same number, and so have images that are linked by others between them.

    features   [N, C], embeddings from one network; see `whiten`
    threshold  least similarity, -1 to 1. The lower, the larger the groups: for folds that are as hard as other photos
               of the same things would be it must be lower, and how much depends on the embeddings' images:
               `tests/benchmarks/folds.py` measures it at 224 pixels

    Memory is bounded by the whitened features (1 KB an image) and one block of similarities, whatever is alike.
    """
    units = whiten(features)
    parents = np.arange(len(units), dtype=np.int64)
    for rows, columns in _blocks(len(units), len(units)):
        if columns.stop <= rows.start:  # seen from the other side
            continue
        alike = units[rows] @ units[columns].T >= threshold
        for row in np.flatnonzero(alike.any(axis=1)).tolist():
            _join(parents, rows.start + row, np.flatnonzero(alike[row]) + columns.start)
    roots = _roots(parents, np.arange(len(units), dtype=np.int64))
    _, first, groups = np.unique(roots, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[groups].astype(np.int64)


def _principal(features: FloatArray, centre: npt.NDArray[np.float32]) -> tuple[Units, npt.NDArray[np.float32]]:
    """Coordinates on the principal directions, [N, D], and the variance along each, [D]; from the smaller matrix."""
    count, width = features.shape
    chunks = [slice(start, min(start + _CHUNK, count)) for start in range(0, count, _CHUNK)]
    if count <= width:
        centred = features.astype(np.float32) - centre
        variances, vectors = _largest(np.asarray(centred @ centred.T / count, dtype=np.float32))
        return vectors * np.sqrt(variances * count), variances
    covariance = np.zeros((width, width), dtype=np.float32)
    for chunk in chunks:
        centred = features[chunk].astype(np.float32) - centre
        covariance += centred.T @ centred / count
    variances, vectors = _largest(covariance)
    return np.concatenate([(features[chunk].astype(np.float32) - centre) @ vectors for chunk in chunks]), variances


def _largest(matrix: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    values, vectors = np.linalg.eigh(matrix)
    return np.maximum(values[::-1][:_DIRECTIONS], 0), vectors[:, ::-1][:, :_DIRECTIONS]


def _blocks(rows: int, columns: int) -> Iterator[tuple[slice, slice]]:
    for row in range(0, rows, _BLOCK_ROWS):
        for column in range(0, columns, _BLOCK_COLUMNS):
            yield slice(row, min(row + _BLOCK_ROWS, rows)), slice(column, min(column + _BLOCK_COLUMNS, columns))


def _join(parents: npt.NDArray[np.int64], one: int, others: npt.NDArray[np.int64]) -> None:
    """Put images into one set; `parents` is a forest whose roots stand for the sets."""
    roots = _roots(parents, np.append(others, one))
    if (roots != roots[0]).any():
        parents[roots] = parents[others] = roots.min()


def _roots(parents: npt.NDArray[np.int64], images: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    above = parents[images]
    while not np.array_equal(above, parents[above]):
        above = parents[above]
    return above
