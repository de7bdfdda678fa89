"""Are labels wrong?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from trainer.diagnosis.commands import Commands
from trainer.diagnosis.finding import Confidence, Finding
from trainer.diagnosis.judged import Predictions

_LEAST_SURE, _MOST_SURE, _RULED_OUT, _KNOWN = 0.5, 0.8, 0.1, 0.5
_LEAST_SUSPECTS = 3
_LEAST_VALID_SHARE, _LEAST_TRAIN_SHARE, _LEAST_TRAIN_SHARE_BESIDE = 0.01, 0.02, 0.005
_LISTED = 20


def noisy_labels(
    valid: Predictions, trained: Predictions, *, classes: Sequence[str], commands: Commands
) -> Finding | None:
    """The network is sure that labels are wrong, of validation images and of training images that it learned them with.

    Of validation images alone it may simply be wrong: they may differ from what it learned. Of a training image it was
    told the label again and again; where it is sure of another all the same, the label is suspect. So there must be
    such training images too, half a percent at least, or enough of them alone. Few of them are found, since it may have
    learned the wrong labels by heart: their share is a lower bound, that of the validation images an upper one. One
    training image alone makes it no more than likely. Classification only.

    trained  some training images, as they are, without augmentation
    """
    found = {"validation": (valid, suspects(valid)), "training": (trained, suspects(trained))}
    counts = {side: len(positions) for side, (_, positions) in found.items()}
    shares = {side: counts[side] / max(1, len(judged.targets)) for side, (judged, _) in found.items()}
    seen = counts["validation"] >= _LEAST_SUSPECTS and shares["validation"] >= _LEAST_VALID_SHARE
    both = seen and shares["training"] >= _LEAST_TRAIN_SHARE_BESIDE
    if not both and not (counts["training"] >= _LEAST_SUSPECTS and shares["training"] >= _LEAST_TRAIN_SHARE):
        return None
    worst = sorted(
        (
            (float(margin), line)
            for judged, positions in found.values()
            for margin, line in zip(_margins(judged)[positions], _lines(judged, positions, classes), strict=True)
        )
    )
    return Finding(
        name="noisy-labels",
        confidence="low" if counts["training"] == 1 else _confidence(shares),
        summary=f"Some labels seem to be wrong: the network is sure of another class for {counts['validation']} of "
        f"{len(valid.targets)} validation images, and for {counts['training']} of {len(trained.targets)} training "
        "images; look at them, put right what is wrong, and fit again.",
        evidence={
            "validation_suspects": counts["validation"],
            "validation_share": shares["validation"],
            "training_suspects": counts["training"],
            "training_share": shares["training"],
            "worst": [line for _, line in worst[:_LISTED]],
        },
        command=commands.fit(),
    )


def suspects(judged: Predictions) -> npt.NDArray[np.int64]:
    """Positions of images whose label the network is sure is wrong, rising.

    Confident learning (Northcutt, Jiang and Chuang 2021, "Confident Learning: Estimating Uncertainty in Dataset
    Labels"): an image belongs to another class where its probability for that one is at least the mean of those of the
    images labelled so, and the highest of all that reach theirs. That mean is held between 0.5, as those of a network
    that knows little are soon reached, and 0.8, as those of one that knows its images are close to 1. Besides, the
    image's own label must have less than 0.1, and be of a class that the network knows: that it gives to half of the
    images labelled so, or more.
    """
    probabilities, targets = judged.probabilities, judged.targets
    limits, known = np.full(probabilities.shape[1], np.inf), np.zeros(probabilities.shape[1], dtype=np.bool_)
    for k in np.unique(targets):
        own = probabilities[targets == k]
        limits[k] = np.clip(own[:, k].mean(), _LEAST_SURE, _MOST_SURE)
        known[k] = (own.argmax(axis=1) == k).mean() >= _KNOWN
    reached = np.where(probabilities >= limits, probabilities, -1.0)
    other = (reached.max(axis=1) > 0) & (reached.argmax(axis=1) != targets) & known[targets]
    return np.flatnonzero(other & (probabilities[np.arange(len(targets)), targets] < _RULED_OUT))


def _margins(judged: Predictions) -> npt.NDArray[np.float64]:
    """Probability of the label less that of the best class: the lower, the worse (cleanlab's normalized margin)."""
    own = judged.probabilities[np.arange(len(judged.targets)), judged.targets]
    return np.asarray(own - judged.probabilities.max(axis=1))


def _lines(judged: Predictions, positions: npt.NDArray[np.int64], classes: Sequence[str]) -> list[str]:
    best = judged.probabilities.argmax(axis=1)
    return [
        f"{judged.names[k]}: labelled {classes[judged.targets[k]]!r}, looks like {classes[best[k]]!r} "
        f"({judged.probabilities[k].max():.2f})"
        for k in positions.tolist()
    ]


def _confidence(shares: dict[str, float]) -> Confidence:
    if shares["validation"] >= 0.05 and shares["training"] >= 0.02:
        return "high"
    return "medium" if shares["validation"] >= 0.02 or shares["training"] >= 0.05 else "low"
