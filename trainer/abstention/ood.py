"""How strange an image is: how far its features are from those that were learned, and how undecided the network is.

Features are what the last layer gets. They are divided by their length (Mueller and Hein 2025, "Mahalanobis++",
arXiv:2505.18032), and the distance to the nearest class is that of Mahalanobis, with one covariance for all classes
(Lee et al. 2018, arXiv:1807.03888). The covariance is known in a few directions alone; in all others together there is
one variance, as in probabilistic principal component analysis (Tipping and Bishop 1999). So the network needs few more
bytes and little more time, and images are strange most of all by what is in none of the directions.

Things that are far from every class are found by the distance; those that are like some of the classes, such as another
kind of apple, rather by the entropy of the probabilities at a high temperature, as of ODIN (Liang et al. 2018,
arXiv:1706.02690). The score is a sum of both. `tests/benchmarks/strangers.py` compares it with others.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from service.bundle.spec import Task

METHODS: Mapping[Task, str] = {"classification": "mahalanobis+entropy", "multilabel": "mahalanobis"}
FALSE_ALARMS = 0.01  # of images of the classes
FEWEST_IMAGES = 100  # to set a threshold on: with fewer, 1 % is less than one image
RANK = 64
TEMPERATURE = 3.0  # of the entropy, over that of the probabilities
_ENTROPY_WEIGHT = 1.0  # of the entropy in standard deviations, over that of the distance
_SMALLEST_SPREAD = 0.01  # nats: of a network that is sure of every image
SMALLEST_LENGTH = 1e-12  # features of zeros are not divided by their length
# Features of images that look alike vary in a few directions alone; the others must not count without bound.
_SMALLEST_FRACTION, _SMALLEST_VARIANCE = 0.01, 1e-8

Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class NetworkOutputs:
    """What a network gives for N images.

    Attributes:
        features: [N, C], what the last layer gets.
        logits: [N, K], calibrated: what becomes the probabilities.
    """

    features: npt.NDArray[np.floating[Any]]
    logits: npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, kw_only=True, eq=False)
class OodStatistics:
    """What is known about the features of training images. C is their width, R the number of directions.

    Attributes:
        centre: float32 [C], the mean of all features.
        directions: float32 [C, R], orthonormal; the features of one class do not correlate in them.
        scales: float32 [R], 1 / standard deviation in each direction, within classes.
        means: float32 [G, R], of each class, in the directions and scaled.
        rest: 1 / variance in every other direction.
        entropy_weight: Of the entropy in the score; 0 without it.
    """

    centre: Float32Array
    directions: Float32Array
    scales: Float32Array
    means: Float32Array
    rest: float
    entropy_weight: float = 0.0

    def scores(self, outputs: NetworkOutputs) -> Float64Array:
        """Return how strange images are: [N].

        The output `ood` of a model file is this, computed in float32: see `trainer/export/ood_graph.py`.
        """
        distances = self.distances(outputs.features)
        return distances + self.entropy_weight * entropies(outputs.logits) if self.entropy_weight else distances

    def distances(self, features: npt.NDArray[np.floating[Any]]) -> Float64Array:
        """Return the squared distance to the nearest class, divided by C: [N, C] -> [N]."""
        offsets = unit_length(features) - self.centre
        projected = offsets @ self.directions.astype(np.float64)
        scaled = projected * self.scales
        cross = scaled @ self.means.T.astype(np.float64)
        nearest = ((self.means.astype(np.float64) ** 2).sum(1) - 2 * cross).min(axis=1) + (scaled**2).sum(1)
        rest = ((offsets - projected @ self.directions.T.astype(np.float64)) ** 2).sum(1)
        return np.asarray((nearest + self.rest * rest) / len(self.centre))


def fit_ood(
    features: npt.NDArray[np.floating[Any]], groups: npt.NDArray[np.int64], *, rank: int = RANK
) -> OodStatistics:
    """Describe the features of training images.

    Args:
        features: [N, C], N at least 1.
        groups: int64 [N], the class of each image; for several labels an image, which ones: see `label_groups`.
        rank: R, at most; at most half of C are kept, and fewer if there are few images.
    """
    units = unit_length(features)
    centre = units.mean(axis=0)
    _, members = np.unique(groups, return_inverse=True)
    means = np.stack([units[members == group].mean(axis=0) for group in range(int(members.max()) + 1)]) - centre
    offsets = units - centre
    within = offsets - means[members]
    count, width = offsets.shape
    total, spread = offsets.T @ offsets / count, within.T @ within / count
    kept = max(1, min(rank, width // 2, (count - len(means)) // 4))  # the rest must have a variance, too
    directions = np.linalg.eigh(total)[1][:, ::-1][:, :kept]
    variances, turn = np.linalg.eigh(directions.T @ spread @ directions)
    directions = directions @ turn
    mean_variance = float(np.trace(spread)) / width
    rest = float(np.trace(spread) - variances.sum()) / max(1, width - kept)
    rest = max(rest, _SMALLEST_FRACTION * mean_variance, _SMALLEST_VARIANCE)
    scales = 1 / np.sqrt(np.maximum(variances, rest))
    return OodStatistics(
        centre=centre.astype(np.float32),
        directions=directions.astype(np.float32),
        scales=scales.astype(np.float32),
        means=(means @ directions * scales).astype(np.float32),
        rest=1 / rest,
    )


def with_entropy(statistics: OodStatistics, known: NetworkOutputs) -> OodStatistics:
    """Add the entropy to the score of a network with one label an image.

    Args:
        statistics: Of the training images.
        known: Of other images of the classes; they say how much both parts vary.
    """
    spread = max(_SMALLEST_SPREAD, float(entropies(known.logits).std()))
    weight = _ENTROPY_WEIGHT * float(statistics.distances(known.features).std()) / spread
    return dataclasses.replace(statistics, entropy_weight=float(f"{weight:.4g}"))


def entropies(logits: npt.NDArray[np.floating[Any]]) -> Float64Array:
    """The entropy of the probabilities at three times the temperature, in nats: [N, K] -> [N]."""
    logs = special.log_softmax(logits.astype(np.float64) / TEMPERATURE, axis=1)
    return np.asarray(-(np.exp(logs) * logs).sum(axis=1))


def unit_length(features: npt.NDArray[np.floating[Any]]) -> Float64Array:
    """Divide the features of each image by their length: [N, C] -> [N, C]."""
    wide = features.astype(np.float64)
    return np.asarray(wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), SMALLEST_LENGTH))


def label_groups(targets: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Give images with the same labels the same number: int64 [N] or float32 [N, K] -> int64 [N]."""
    if targets.ndim == 1:
        return np.asarray(targets, dtype=np.int64)
    return np.asarray(np.unique(targets > 0, axis=0, return_inverse=True)[1], dtype=np.int64).reshape(-1)


def ood_threshold(scores: npt.NDArray[np.floating[Any]], *, false_alarms: float = FALSE_ALARMS) -> float | None:
    """Choose the threshold that at most this fraction of other images of the classes is above, on average.

    Of N scores it is the one with number ceil((N + 1) (1 - false_alarms)), as in split conformal prediction (Vovk,
    Gammerman and Shafer 2005); so the statement holds for every N.

    Args:
        scores: [N], of images of the classes that the network was not trained on.
        false_alarms: The fraction.

    Returns:
        The threshold; None if there are fewer than `FEWEST_IMAGES`.
    """
    count = len(scores)
    if count < FEWEST_IMAGES:
        return None
    number = int(np.ceil((count + 1) * (1 - false_alarms)))
    # No more digits than another processor would give, and never below the score itself.
    return float(f"{1.0005 * float(np.sort(scores)[min(number, count) - 1]):.4g}")
