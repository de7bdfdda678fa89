"""Which images show nearly the same: those whose whitened embeddings point in the same direction."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from trainer.links import Links

FloatArray = npt.NDArray[np.floating[Any]]
Units = npt.NDArray[np.float32]

# In a random fifth of the grocery photos' train.csv, more than a third of the images have such a similar one among the
# others; in val.csv, a few in a hundred: `tests/benchmarks/near_duplicates.py` measures it.
NEAR_DUPLICATE_SIMILARITY = 0.75
FEW_IMAGES = 900  # fewer than these are whitened less
_FEWEST_IMAGES = 3  # with fewer, there is no telling what is similar
_FEW_IMAGES_EXPONENT = 1.5
_MAX_DIRECTIONS = 256
_BLOCK_ROWS = 1024
_BLOCK_COLUMNS = 8192
_CHUNK_ROWS = 8192


def whiten(embeddings: FloatArray) -> Units:
    """Turn embeddings of images into unit vectors whose dot product says how similar two images are.

    The embeddings are centred and projected onto their principal directions; directions in which the images differ much
    count less (Jegou and Chum 2012, "Negative evidences and co-occurrences in image retrieval: the benefit of PCA and
    whitening"). So images are not similar just because of what all images of a class have in common. A direction with
    less than a 256th of the variance is not scaled up, because it may be noise.

    With fewer than 900 images, each image has so much influence on the directions that whitening would separate near
    duplicates. So directions are scaled up less there: the limit of a 256th grows with (900 / N) ** 1.5, found by trial
    on random classes of the grocery photos. Among 40 to 320 images a third to a half as many near duplicates are found
    as among all photos, which is enough for the diagnosis. A higher limit would also find images of little variety
    similar that are not, such as small scans of digits; some of those are found even so.

    Args:
        embeddings: [N, C], one row for each image, all from the same network and the same set of images.

    Returns:
        float32 [N, D], D <= 256, rows of length 1.
    """
    centre = embeddings.mean(axis=0, dtype=np.float64).astype(np.float32)
    coordinates, variances = _principal_coordinates(embeddings, centre)
    min_fraction = max(1.0, FEW_IMAGES / len(embeddings)) ** _FEW_IMAGES_EXPONENT / _MAX_DIRECTIONS
    scaled = coordinates / np.sqrt(variances + min_fraction * max(variances.sum(), 1e-12))
    lengths = np.linalg.norm(scaled, axis=1, keepdims=True)
    return np.asarray(scaled / np.maximum(lengths, 1e-12), dtype=np.float32)


def nearest(queries: Units, keys: Units) -> tuple[npt.NDArray[np.int64], Units]:
    """Find the most similar key of each query.

    Args:
        queries: float32 [M, D], rows of length 1.
        keys: float32 [N, D], rows of length 1.

    Returns:
        Position of the most similar key, int64 [M], and the similarity, float32 [M] in -1..1.
    """
    positions = np.zeros(len(queries), dtype=np.int64)
    similarities = np.full(len(queries), -np.inf, dtype=np.float32)
    for rows, columns in _blocks(len(queries), len(keys)):
        products = queries[rows] @ keys[columns].T
        best = products.argmax(axis=1)
        values = products[np.arange(len(best)), best]
        is_better = values > similarities[rows]
        positions[rows] = np.where(is_better, best + columns.start, positions[rows])
        similarities[rows] = np.maximum(values, similarities[rows])
    return positions, similarities


def near_duplicate_groups(
    embeddings: FloatArray, *, threshold: float = NEAR_DUPLICATE_SIMILARITY
) -> npt.NDArray[np.int64]:
    """Put near duplicates into groups; images that are linked by other images are in one group too.

    Memory is bounded by the whitened embeddings (1 KB an image) and one block of similarities, however many images are
    similar.

    Args:
        embeddings: [N, C], from one network; see `whiten`.
        threshold: Least similarity of near duplicates, -1 to 1. The lower, the larger the groups. Cross-validation
            folds that should be as hard as new photos of the same things need a lower one, and how low depends on the
            size of the embedded images: `tests/benchmarks/folds.py` measures it at 224 pixels.

    Returns:
        The group of each image, int64 [N], from 0 in order of first appearance. Of two images, each is a group.
    """
    if len(embeddings) < _FEWEST_IMAGES:
        return np.arange(len(embeddings), dtype=np.int64)
    units = whiten(embeddings)
    links = Links(len(units))
    for rows, columns in _blocks(len(units), len(units)):
        if columns.stop <= rows.start:  # all of these pairs were compared in another block
            continue
        is_similar = units[rows] @ units[columns].T >= threshold
        for row in np.flatnonzero(is_similar.any(axis=1)).tolist():
            links.join(rows.start + row, np.flatnonzero(is_similar[row]) + columns.start)
    return links.groups()


def _principal_coordinates(
    embeddings: FloatArray, centre: npt.NDArray[np.float32]
) -> tuple[Units, npt.NDArray[np.float32]]:
    """Coordinates on the principal directions, [N, D], and the variance along each, [D].

    They come from the [N, N] matrix of dot products or the [C, C] covariance, whichever is smaller.
    """
    count, width = embeddings.shape
    if count <= width:
        centred = embeddings.astype(np.float32) - centre
        variances, vectors = _largest_eigenpairs(np.asarray(centred @ centred.T / count, dtype=np.float32))
        return vectors * np.sqrt(variances * count), variances
    chunks = [slice(start, min(start + _CHUNK_ROWS, count)) for start in range(0, count, _CHUNK_ROWS)]
    covariance = np.zeros((width, width), dtype=np.float32)
    for chunk in chunks:
        centred = embeddings[chunk].astype(np.float32) - centre
        covariance += centred.T @ centred / count
    variances, vectors = _largest_eigenpairs(covariance)
    return np.concatenate([(embeddings[chunk].astype(np.float32) - centre) @ vectors for chunk in chunks]), variances


def _largest_eigenpairs(matrix: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    values, vectors = np.linalg.eigh(matrix)
    return np.maximum(values[::-1][:_MAX_DIRECTIONS], 0), vectors[:, ::-1][:, :_MAX_DIRECTIONS]


def _blocks(rows: int, columns: int) -> Iterator[tuple[slice, slice]]:
    for row in range(0, rows, _BLOCK_ROWS):
        for column in range(0, columns, _BLOCK_COLUMNS):
            yield slice(row, min(row + _BLOCK_ROWS, rows)), slice(column, min(column + _BLOCK_COLUMNS, columns))
