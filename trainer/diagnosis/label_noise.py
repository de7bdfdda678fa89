"""Signs that labels are wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trainer.diagnosis.finding import Confidence
from trainer.diagnosis.predictions import Predictions

_MIN_CLASS_THRESHOLD = 0.5
_MAX_CLASS_THRESHOLD = 0.8
_MAX_LABEL_PROBABILITY = 0.1
_MIN_CLASS_RECALL = 0.5

_MIN_SUSPECTS = 3
_MIN_VALID_FRACTION = 0.01
_MIN_TRAIN_FRACTION = 0.005  # beside suspects among the validation images
_MIN_TRAIN_FRACTION_ALONE = 0.02

_HIGH_VALID_FRACTION = 0.05
_HIGH_TRAIN_FRACTION = 0.02
_MEDIUM_VALID_FRACTION = 0.02
_MEDIUM_TRAIN_FRACTION = 0.05


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelNoise:
    """Images whose label is probably wrong.

    Attributes:
        valid_suspects: Positions among the validation images, rising.
        train_suspects: Positions among the measured training images, rising.
        valid_fraction: Of the validation images that are suspects: an upper bound for the wrong labels.
        train_fraction: Of the measured training images that are suspects: a lower bound.
    """

    valid_suspects: npt.NDArray[np.int64]
    train_suspects: npt.NDArray[np.int64]
    valid_fraction: float
    train_fraction: float

    @property
    def confidence(self) -> Confidence:
        """How sure it is that labels are wrong; one training image alone never makes it more than `low`."""
        if len(self.train_suspects) == 1:
            return "low"
        if self.valid_fraction >= _HIGH_VALID_FRACTION and self.train_fraction >= _HIGH_TRAIN_FRACTION:
            return "high"
        if self.valid_fraction >= _MEDIUM_VALID_FRACTION or self.train_fraction >= _MEDIUM_TRAIN_FRACTION:
            return "medium"
        return "low"


def find_label_noise(valid: Predictions, train_subset: Predictions) -> LabelNoise | None:
    """Look for labels that the model is sure are wrong; classification only.

    Suspects among the validation images alone prove nothing: these images may differ from what the model learned, and
    the model may be wrong. A training image was learned with its label, again and again; if the model is sure of
    another class all the same, the label is suspect. So there must be such training images too: at least half a
    percent, or enough of them without any validation image. The model may have memorised wrong labels, so only a part
    of them is found there.

    Args:
        valid: Of the validation images.
        train_subset: Of some training images, without augmentation.

    Returns:
        The suspects, or None if there are too few.
    """
    valid_suspects, train_suspects = find_suspects(valid), find_suspects(train_subset)
    valid_fraction = len(valid_suspects) / max(1, len(valid.targets))
    train_fraction = len(train_suspects) / max(1, len(train_subset.targets))
    in_valid = len(valid_suspects) >= _MIN_SUSPECTS and valid_fraction >= _MIN_VALID_FRACTION
    in_both = in_valid and train_fraction >= _MIN_TRAIN_FRACTION
    if not in_both and not (len(train_suspects) >= _MIN_SUSPECTS and train_fraction >= _MIN_TRAIN_FRACTION_ALONE):
        return None
    return LabelNoise(
        valid_suspects=valid_suspects,
        train_suspects=train_suspects,
        valid_fraction=valid_fraction,
        train_fraction=train_fraction,
    )


def find_suspects(predictions: Predictions) -> npt.NDArray[np.int64]:
    """Find images whose label the model is sure is wrong.

    Confident learning (Northcutt, Jiang and Chuang 2021, "Confident Learning: Estimating Uncertainty in Dataset
    Labels"): each class has a threshold, the mean probability of the class over the images with this label. An image
    belongs to another class if that class reaches its threshold and has the highest probability of those that do. We
    keep the threshold between 0.5, because a model that knows little reaches its means easily, and 0.8, because the
    means of a model that knows its images are close to 1. Besides, the probability of the image's own label must be
    below 0.1, and the model must know this class: predict it for at least half of the images with this label.

    Returns:
        Positions, int64, rising.
    """
    probabilities, targets = predictions.probabilities, predictions.targets
    thresholds = np.full(probabilities.shape[1], np.inf)
    is_known = np.zeros(probabilities.shape[1], dtype=np.bool_)
    for k in np.unique(targets):
        own = probabilities[targets == k]
        thresholds[k] = np.clip(own[:, k].mean(), _MIN_CLASS_THRESHOLD, _MAX_CLASS_THRESHOLD)
        is_known[k] = (own.argmax(axis=1) == k).mean() >= _MIN_CLASS_RECALL
    reached = np.where(probabilities >= thresholds, probabilities, -1.0)
    other = (reached.max(axis=1) > 0) & (reached.argmax(axis=1) != targets) & is_known[targets]
    return np.flatnonzero(other & (probabilities[np.arange(len(targets)), targets] < _MAX_LABEL_PROBABILITY))


def describe_suspects(
    predictions: Predictions, suspects: npt.NDArray[np.int64], *, classes: Sequence[str]
) -> list[tuple[float, str]]:
    """Describe suspect images, each by a margin and a line of text.

    Returns:
        Probability of the label - probability of the predicted class (cleanlab's normalized margin; the lower, the
        worse), and a line such as `0.jpg: labelled 'bee', looks like 'ant' (0.90)`.
    """
    probabilities, targets = predictions.probabilities, predictions.targets
    predicted, best = probabilities.argmax(axis=1), probabilities.max(axis=1)
    return [
        (
            float(probabilities[k, targets[k]] - best[k]),
            f"{predictions.names[k]}: labelled {classes[targets[k]]!r}, looks like {classes[predicted[k]]!r} "
            f"({best[k]:.2f})",
        )
        for k in suspects.tolist()
    ]
