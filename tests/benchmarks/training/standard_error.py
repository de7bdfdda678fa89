"""Standard errors of values measured on images that are not all independent of each other."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def clustered_mean(values: Sequence[float], clusters: Sequence[str]) -> tuple[float, float]:
    """Return the mean of the values and its standard error, if values of one cluster may be correlated.

    With N values in G clusters the error is sqrt(G / (G - 1) x sum over clusters of (sum of value - mean)^2) / N: the
    cluster-robust error (Liang and Zeger 1986, Biometrika 73) of a model that is a mean alone, with the correction for
    few clusters of Cameron and Miller 2015, "A practitioner's guide to cluster-robust inference". If each value is
    a cluster of its own, that is the usual s / sqrt(N). It is NaN if all values are in one cluster.
    """
    array = np.asarray(values, dtype=np.float64)
    mean = float(array.mean())
    _, positions = np.unique([*clusters], return_inverse=True)
    sums = np.bincount(positions, weights=array - mean)
    count = len(sums)
    error = math.sqrt(count / (count - 1) * float(np.square(sums).sum())) / len(array) if count > 1 else math.nan
    return mean, error
