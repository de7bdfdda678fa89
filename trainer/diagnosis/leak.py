"""Are the validation images hardly other than the training images?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from trainer.diagnosis.finding import Confidence, Finding
from trainer.diagnosis.near_duplicates import ALIKE

_LEAST_IMAGES = 3
_LEAST_SHARE, _LARGE_SHARE = 0.10, 0.20
_LISTED = 10

Similarities = npt.NDArray[np.floating[Any]]


def leaks(similarities: Similarities) -> bool:
    """Whether a tenth of the validation images, and at least three, have a near duplicate among the training images.

    similarities  [M], of each validation image with the training image that is most alike; see `duplicates.nearest`
    """
    alike = similarities >= ALIKE
    return bool(alike.sum() >= _LEAST_IMAGES and alike.mean() >= _LEAST_SHARE)


def near_duplicates(
    similarities: Similarities,
    right: npt.NDArray[np.bool_],
    pairs: Sequence[tuple[str, str]],
    *,
    few: bool,
    command: str,
) -> Finding | None:
    """A good part of the validation images have a near duplicate among the training images; see `leaks`.

    similarities  [M], as for `leaks`
    right         bool [M], whether it was answered rightly
    pairs         M names: of the image, and of the training image
    few           whether there are so few images that some seem alike which are not: then it is less sure
    command       how to fit again on a better split; empty where there is none
    """
    if not leaks(similarities):
        return None
    alike = similarities >= ALIKE
    count, share = int(alike.sum()), float(alike.mean())
    among, others = float(right[alike].mean()), None if alike.all() else float(right[~alike].mean())
    compared = "" if others is None else f" ({100 * among:.0f} % of them are right, of the others {100 * others:.0f} %)"
    instead = "" if command else "; no split keeps near duplicates on one side: validate on others"
    doubt = " (among so few images some only seem alike: look at the pairs)" if few else ""
    levels: tuple[Confidence, Confidence] = ("low", "medium") if few else ("medium", "high")
    worst_first = np.flatnonzero(alike)[np.argsort(-similarities[alike], kind="stable")]
    return Finding(
        name="near-duplicates",
        confidence=levels[share >= _LARGE_SHARE],
        summary=f"{100 * share:.0f} % of the validation images have a near duplicate among the training images{doubt}, "
        f"so the result on them says little about photos taken elsewhere{compared}{instead}.",
        evidence={
            "images": count,
            "share": share,
            "right_with_near_duplicate": among,
            "right_without": others,
            "pairs": [" = ".join(pairs[position]) for position in worst_first[:_LISTED].tolist()],
        },
        command=command,
    )
