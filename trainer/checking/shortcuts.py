"""What predicts a class without looking at what the image shows: size, aspect, format, camera, brightness.

"Every photo of A has 640 x 480 pixels, and none of B": a network learns that, and fails on other photos. Arrays in,
arrays out.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri
from scipy.stats import rankdata

FloatArray = npt.NDArray[np.float64]

# A shortcut has at least the first area, and the lower end of its interval is above the second: with 20 images in each
# of two classes, the feature must separate them nearly perfectly.
LEAST_AREA = 0.95
_LEAST_LOWER_END = 0.75
_CONFIDENCE = 0.95
_BETTER = 0.01  # "all have 640 x 480" is easier to understand than a median, unless that predicts more
_BISECTIONS = 50


@dataclass(frozen=True, kw_only=True)
class Shortcut:
    """Something that predicts a class.

    Attributes:
        label: The class.
        feature: brightness, size, aspect ratio, format or camera.
        area: Area under the ROC curve with which the feature alone separates the class from the others, 0.5 to 1.
        interval: Of the area, at 95 % for all classes and features together.
        text: What predicts the class, with numbers.
    """

    label: str
    feature: str
    area: float
    interval: tuple[float, float]
    text: str

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.label!r}: {self.text} (area {self.area:.2f}, interval {low:.2f} to {high:.2f})."


def find_shortcuts(
    labels: Sequence[frozenset[str]], *, numbers: Mapping[str, FloatArray], names: Mapping[str, Sequence[str]]
) -> list[Shortcut]:
    """Find the classes that one feature predicts alone.

    Args:
        labels: N sets of labels.
        numbers: Feature -> its value for each image, float64 [N].
        names: Feature -> its value for each image, N texts; an empty text is an unknown value.

    Returns:
        Those with a large area that is no chance, the largest area first. A feature that is both a number and a name
        comes once for each class.
    """
    positions: defaultdict[str, list[int]] = defaultdict(list)
    for position, own in enumerate(labels):
        for label in own:
            positions[label].append(position)
    members = {label: np.array(found) for label, found in positions.items() if len(found) < len(labels)}
    counts = {feature: Counter(column) for feature, column in names.items()}
    comparisons = len(members) * (len(numbers) + sum(len(values) for values in counts.values()))
    z = float(ndtri(1 - (1 - _CONFIDENCE) / 2 / max(1, comparisons)))  # Bonferroni
    ranks = {feature: rankdata(column) for feature, column in numbers.items()}
    best: dict[tuple[str, str], Shortcut] = {}
    for label, found in members.items():
        others = len(labels) - len(found)
        separations = [
            *(
                separation
                for feature, column in names.items()
                for separation in _by_name(feature, [column[place] for place in found], counts[feature], others)
            ),
            *(
                separation
                for feature, column in numbers.items()
                for separation in _by_number(feature, column, ranks[feature], found)
            ),
        ]
        for feature, area, text in separations:
            interval = area_interval(area, len(found), others, z=z)
            known = best.get((label, feature))
            if interval[0] > _LEAST_LOWER_END and (known is None or area > known.area + _BETTER):
                best[label, feature] = Shortcut(label=label, feature=feature, area=area, interval=interval, text=text)
    return sorted(best.values(), key=lambda shortcut: (-shortcut.area, shortcut.label, shortcut.feature))


def _by_number(
    feature: str, column: FloatArray, ranks: FloatArray, members: npt.NDArray[np.int64]
) -> Iterator[tuple[str, float, str]]:
    """Feature, area and text for a number, if the area is large: it is that of Mann and Whitney."""
    inside, outside = len(members), len(column) - len(members)
    above = (float(ranks[members].sum()) - inside * (inside + 1) / 2) / (inside * outside)
    if max(above, 1 - above) < LEAST_AREA:
        return
    is_member = np.zeros(len(column), dtype=np.bool_)
    is_member[members] = True
    own, other = float(np.median(column[is_member])), float(np.median(column[~is_member]))
    comparison = "higher" if above >= 0.5 else "lower"
    text = f"its {feature} is {comparison}: median {_shown(own)}, of the other classes {_shown(other)}"
    yield feature, max(above, 1 - above), text


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _by_name(
    feature: str, column: Sequence[str], counts: Counter[str], others: int
) -> Iterator[tuple[str, float, str]]:
    """Feature, area and text for the value that most images of the class have, if the area is large."""
    value, inside = Counter(column).most_common(1)[0]
    if not value:
        return
    outside = counts[value] - inside
    area = (1 + inside / len(column) - outside / others) / 2
    if area < LEAST_AREA:
        return
    share = "all" if inside == len(column) else f"{inside:,} of"
    text = (
        f"{share} {len(column):,} images of it have the {feature} {value}, and "
        f"{'none' if not outside else f'{outside:,}'} of the {others:,} others"
    )
    yield feature, area, text


def area_interval(area: float, inside: int, outside: int, *, z: float) -> tuple[float, float]:
    """The confidence interval of an area under the ROC curve.

    It has sensible ends also for an area of 1, where the usual estimates of the variance (Hanley and McNeil 1982;
    DeLong 1988) are 0: its ends are the areas from which the observed one is `z` standard errors away. (Newcombe 2006,
    "Confidence intervals for an effect size measure based on the Mann-Whitney statistic. Part 2", method 5.)

    Args:
        area: Observed, 0 to 1.
        inside: Number of images of the class.
        outside: Number of the others.
        z: Quantile of the normal distribution.
    """
    return _end(area, 0.0, inside, outside, z), _end(area, 1.0, inside, outside, z)


def _end(area: float, extreme: float, inside: int, outside: int, z: float) -> float:
    """Find by bisection the value between `area` and `extreme` that is `z` of its own standard errors from `area`."""
    near, far = area, extreme
    for _ in range(_BISECTIONS):
        middle = (near + far) / 2
        if abs(middle - area) <= z * _standard_error(middle, inside, outside):
            near = middle
        else:
            far = middle
    return near


def _standard_error(area: float, inside: int, outside: int) -> float:
    """Of Hanley and McNeil, with Newcombe's number in place of both sizes."""
    size = (inside + outside) / 2 - 1
    pairs = size * ((1 - area) / (2 - area) + area / (1 + area))
    return math.sqrt(area * (1 - area) * (1 + pairs) / (inside * outside))
