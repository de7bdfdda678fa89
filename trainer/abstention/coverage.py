"""The error among the images that a model is most certain of, for every fraction of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_MOST_POINTS = 100


@dataclass(frozen=True, kw_only=True)
class CoverageCurve:
    """Points with rising coverage; the last one is all images.

    Attributes:
        coverage: Fraction of the images that are answered: the most certain ones.
        error: Fraction of these whose answer is wrong.
        certainty: The least certainty that is answered.
    """

    coverage: tuple[float, ...]
    error: tuple[float, ...]
    certainty: tuple[float, ...]


def error_by_coverage(certainty: npt.NDArray[np.float64], correct: npt.NDArray[np.bool_]) -> CoverageCurve:
    """Find the error of the most certain images (Geifman and El-Yaniv 2017, arXiv:1705.08500: risk and coverage).

    No threshold divides images of the same certainty, so there are points only where it changes; at most 100.

    Args:
        certainty: float64 [N], of each answer; N at least 1.
        correct: bool [N], which answers are right.
    """
    count = len(certainty)
    order = np.argsort(-certainty, kind="stable")
    sorted_certainty = certainty[order]
    possible = np.append(np.flatnonzero(np.diff(sorted_certainty)) + 1, count)  # numbers of images that can be answered
    wanted = -(-count * np.arange(1, _MOST_POINTS + 1) // _MOST_POINTS)
    answered = np.unique(possible[np.searchsorted(possible, wanted)])
    wrong = np.cumsum(~correct[order])[answered - 1]
    return CoverageCurve(
        coverage=tuple((answered / count).tolist()),
        error=tuple((wrong / answered).tolist()),
        certainty=tuple(sorted_certainty[answered - 1].tolist()),
    )
