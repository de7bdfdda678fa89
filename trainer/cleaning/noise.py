"""Whether labels of a run are wrong: what the diagnosis reports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import binom

from trainer.catalog import Row
from trainer.cleaning.suspects import find_suspects
from trainer.diagnosis.label_noise import LabelNoise, SuspectLabel

_MIN_CLASS_THRESHOLD = 0.5
_MAX_CLASS_THRESHOLD = 0.8
_MAX_LABEL_PROBABILITY = 0.1
_MIN_CLASS_RECALL = 0.5
_MIN_VOTE = 0.5

_FEWEST_SUSPECTS = 3
_MIN_FRACTION = 0.01
_FALSE_FRACTION = 0.005  # of right labels that are suspect
_MAX_CHANCE = 0.01


def find_label_noise(
    features: npt.NDArray[np.floating[Any]],
    targets: npt.NDArray[np.int64],
    rows: Sequence[Row],
    *,
    classes: Sequence[str],
    seed: int = 0,
) -> LabelNoise | None:
    """Look for wrong labels; classification only.

    An image is suspect if heads that have not seen it are sure of another class (`sure_of_another`), and if at least
    half of the most similar images that are no near duplicates have that class. So an image of a class that is hard to
    tell from another one is not. Of right labels 0.5 % are suspect, which is not reported, and of 5 % wrong ones two
    thirds: `tests/benchmarks/label_noise.py` measures it.

    Args:
        features: [N, C], of training and validation images, by one frozen network.
        targets: int64 [N], indices of the labels.
        rows: N.
        classes: K.
        seed: Of the heads.

    Returns:
        The suspects, or None if there are fewer than three, less than one percent, or not more than there may be by
        chance if all labels are right.
    """
    is_train = np.array([row.split == "train" for row in rows], dtype=np.bool_)
    judged = find_suspects(features, targets, class_count=len(classes), is_train=is_train, seed=seed)
    if "wrong" not in judged.suspects:
        return None
    wrong = judged.suspects["wrong"]
    known = wrong.positions
    sure = np.zeros(len(rows), dtype=np.bool_)
    sure[known[sure_of_another(judged.probabilities[known], targets[known])]] = True
    suspects = [
        SuspectLabel(
            path=rows[position].path,
            split=rows[position].split,
            label=classes[wrong.labels[number]],
            proposal=classes[wrong.proposals[number]],
            probability=float(wrong.probabilities[number]),
        )
        for number, position in enumerate(known.tolist())
        if sure[position] and wrong.votes[number] >= _MIN_VOTE
    ]
    train_count = int(is_train[known].sum())
    found = LabelNoise(suspects=suspects, train_count=train_count, valid_count=len(known) - train_count)
    chance = binom.sf(len(suspects) - 1, len(known), _FALSE_FRACTION)
    is_noisy = len(suspects) >= _FEWEST_SUSPECTS and found.fraction >= _MIN_FRACTION and chance < _MAX_CHANCE
    return found if is_noisy else None


def sure_of_another(probabilities: npt.NDArray[np.float32], targets: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Find images for which models that have not seen them are sure of another class.

    Confident learning (Northcutt, Jiang and Chuang 2021, "Confident Learning: Estimating Uncertainty in Dataset
    Labels"): each class has a threshold, the mean probability of the class over the images with this label. An image
    belongs to another class if that class reaches its threshold and has the highest probability of those that do. We
    keep the threshold between 0.5, because a model that knows little reaches its means easily, and 0.8, because the
    means of a model that knows its images are close to 1. Besides, the probability of the image's own label must be
    below 0.1, and the model must know this class: predict it for at least half of the images with this label.

    Args:
        probabilities: float32 [N, K].
        targets: int64 [N].

    Returns:
        Positions, int64, rising.
    """
    thresholds = np.full(probabilities.shape[1], np.inf)
    is_known = np.zeros(probabilities.shape[1], dtype=np.bool_)
    for k in np.unique(targets):
        own = probabilities[targets == k]
        thresholds[k] = np.clip(own[:, k].mean(), _MIN_CLASS_THRESHOLD, _MAX_CLASS_THRESHOLD)
        is_known[k] = (own.argmax(axis=1) == k).mean() >= _MIN_CLASS_RECALL
    reached = np.where(probabilities >= thresholds, probabilities, -1.0)
    other = (reached.max(axis=1) > 0) & (reached.argmax(axis=1) != targets) & is_known[targets]
    return np.flatnonzero(other & (probabilities[np.arange(len(targets)), targets] < _MAX_LABEL_PROBABILITY))
