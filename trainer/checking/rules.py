"""Which images stand out from their set. Arrays in, arrays out.

Every rule is relative to the set: an image is only found if it is far from what is usual there, and beyond a limit in
itself. A set of X-rays is dark, and none of its images is too dark. What many images have in common is no fault of
single images; it is reported in one line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Positions = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.floating[Any]]

# An outlier is this many standard deviations from the median. The deviation is estimated from the median absolute
# deviation (times 1.4826, as for a normal distribution; Leys et al. 2013, "Detecting outliers").
_DEVIATIONS = 4.0
_MAD_TO_DEVIATION = 1.4826
# More than this fraction of the images are no outliers, but a part of the set.
COMMON_FRACTION = 0.1
_FEWEST_COMMON = 5


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule about one number.

    Attributes:
        side: Whether low or high values are faults.
        limit: Values on the other side of this one are never a fault.
        distance: Least distance to the median, however alike the others are.
    """

    side: Literal["low", "high"]
    limit: float
    distance: float


@dataclass(frozen=True, kw_only=True)
class Outliers:
    """What a rule found.

    Attributes:
        positions: int64 [M], of the images that stand out, rising; none if they are too many to be outliers.
        median: Of the set.
        common: Number of images that a rule would have found, if they were not so many; else 0.
    """

    positions: Positions
    median: float
    common: int = 0


def outliers(values: FloatArray, rule: Rule) -> Outliers:
    """Find the values that stand out; values [N]."""
    if not len(values):
        return Outliers(positions=np.empty(0, dtype=np.int64), median=0.0)
    signed = values if rule.side == "high" else -values
    limit = rule.limit if rule.side == "high" else -rule.limit
    median = float(np.median(signed))
    deviation = _MAD_TO_DEVIATION * float(np.median(np.abs(signed - median)))
    threshold = max(limit, median + max(rule.distance, _DEVIATIONS * deviation))
    found = np.flatnonzero(signed > threshold)
    shown_median = median if rule.side == "high" else -median
    if len(found) > max(_FEWEST_COMMON, COMMON_FRACTION * len(values)):
        return Outliers(positions=found[:0], median=shown_median, common=len(found))
    return Outliers(positions=found, median=shown_median)
