"""The smallest threshold on the certainty whose answered images have at most so many errors, with a confidence.

Learn then test (Angelopoulos et al. 2021, "Learn then Test: Calibrating Predictive Algorithms to Achieve Risk Control",
arXiv:2110.01052): each threshold is the hypothesis that too many of its answers are wrong. It is tested with the exact
binomial tail, from the highest threshold down, until one is not rejected. A sequence that is fixed before the errors
are seen needs no correction for the many thresholds. But one error among the most certain images ends it at once. So it
starts again at twice, four times ... as many images, and the level is divided among the starts: the fallback procedure
(Wiens 2003, "A fixed sequence Bonferroni procedure for testing multiple endpoints"). What has been rejected hands its
level on. With few images there is one start, and nothing to correct.

Selection with guaranteed risk (Geifman and El-Yaniv 2017, "Selective Classification for Deep Neural Networks",
arXiv:1705.08500) searches the same thresholds by bisection, and divides the level by the number of its steps. It
answers fewer images, since that is 9 steps for 300 images. The tests compare the two.

A number of images that the errors do not choose makes the test exact, whatever the certainty is worth. Between two
starts it is, if more certain answers are not wrong more often.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

# Certainties that are no further apart may change places on another machine: no threshold is put between them.
_LEAST_GAP = 1e-6
_MOST_FACTOR = 1024  # of the images there are, when it is estimated how many would be needed

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class RiskBound:
    """What is asked of the answered images.

    Attributes:
        max_error: Largest fraction of them that may be wrong, above 0 and below 1.
        confidence: How sure that must be, above 0 and below 1.
    """

    max_error: float
    confidence: float

    @property
    def images_needed(self) -> int:
        """How many images must at least be answered, without an error: smallest m with (1 - max_error)^m <= level."""
        return self._needed(1 - self.confidence)

    def starts(self, count: int) -> dict[int, float]:
        """Return where tests of so many images start: number of answered images -> its part of the level."""
        least = self.images_needed
        if count < least:
            return {}
        doublings = int(math.log2(count / least))
        level = (1 - self.confidence) / (doublings + 1)
        own_least = self._needed(level)
        starts = {max(own_least, least << doubling) for doubling in range(doublings + 1)}
        return {start: (1 - self.confidence) / len(starts) for start in sorted(starts)}

    def accepted(self, answered: IntArray, errors: IntArray, *, count: int) -> int | None:
        """Return the position of the last accepted number of answers.

        Args:
            answered: int64 [M], numbers of answered images that a threshold can give, rising.
            errors: int64 [M], how many of them are wrong.
            count: Of all images.

        Returns:
            Its position; None if none is accepted.
        """
        tails = stats.binom.cdf(errors, answered, self.max_error)  # of so few errors, if max_error is exceeded
        levels = np.zeros(len(answered))
        for start, level in self.starts(count).items():
            position = int(np.searchsorted(answered, start))
            if position < len(answered):
                levels[position] += level
        found, level = None, 0.0
        for position, (tail, own) in enumerate(zip(tails.tolist(), levels.tolist(), strict=True)):
            level += own
            if level and tail <= level:
                found = position
            else:
                level = 0.0
        return found

    def _needed(self, level: float) -> int:
        return math.ceil(math.log(level) / math.log1p(-self.max_error))


@dataclass(frozen=True, kw_only=True)
class RiskThreshold:
    """A threshold that keeps the bound.

    Attributes:
        threshold: An image is answered if its certainty is at least this; 0: every image is.
        answered: How many images are.
        errors: How many of those are wrong.
    """

    threshold: float
    answered: int
    errors: int


def bounded_threshold(
    certainty: npt.NDArray[np.floating[Any]], correct: BoolArray, bound: RiskBound
) -> RiskThreshold | None:
    """Find the smallest threshold that keeps a bound.

    Thresholds are midpoints between the certainties of two images, so that a difference in the last digits changes
    nothing.

    Args:
        certainty: [N], 0 to 1, of images that chose neither the weights nor what gives the certainty.
        correct: bool [N], whether the answer is right.
        bound: What is asked.

    Returns:
        The threshold; None if there is none: `why_none` says why.
    """
    values, answered, errors = _sorted(certainty, correct)
    position = bound.accepted(answered, errors, count=len(values))
    if position is None:
        return None
    last = int(answered[position])
    return RiskThreshold(
        threshold=0.0 if last == len(values) else float((values[last - 1] + values[last]) / 2),
        answered=last,
        errors=int(errors[position]),
    )


def why_none(certainty: npt.NDArray[np.floating[Any]], correct: BoolArray, bound: RiskBound) -> str:
    """Say why there is no threshold, and how many images would be needed. The arguments are those of above."""
    count, needed = len(certainty), bound.images_needed
    asked = f"for {100 * bound.max_error:g} % at {100 * bound.confidence:g} %"
    if count < needed:
        return (
            f"{needed:,} images answered without an error are needed {asked}, and there are {count:,}: "
            f"at least {needed - count:,} more"
        )
    _, answered, errors = _sorted(certainty, correct)
    top = min(len(answered) - 1, int(np.searchsorted(answered, min(bound.starts(count)))))
    seen = f"too many errors {asked}: {errors[top]:,} among the {answered[top]:,} most certain images"
    factor = 2
    while factor <= _MOST_FACTOR:
        if bound.accepted(answered * factor, errors * factor, count=count * factor) is not None:
            return f"{seen}; about {_rounded(count * factor):,} images like these would do, and there are {count:,}"
        factor *= 2
    return f"{seen}; more images like these would not help, a larger error would"


def _sorted(
    certainty: npt.NDArray[np.floating[Any]], correct: BoolArray
) -> tuple[npt.NDArray[np.float64], IntArray, IntArray]:
    """Certainties, falling; how many images the possible thresholds answer; and how many of these are wrong."""
    values = certainty.astype(np.float64)
    order = np.argsort(-values, kind="stable")
    values = values[order]
    last = np.append(values[:-1] - values[1:] > _LEAST_GAP, np.ones(min(1, len(values)), dtype=np.bool_))
    answered = np.flatnonzero(last) + 1
    return values, answered, np.asarray(np.cumsum(~correct[order])[last])


def _rounded(count: int) -> int:
    """A number with two digits that count."""
    scale: int = 10 ** max(0, len(str(count)) - 2)
    return math.ceil(count / scale) * scale
