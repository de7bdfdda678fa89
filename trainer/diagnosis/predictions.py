"""What a trained model predicts for some images, and whether it predicts one class for nearly all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from service.bundle.spec import Task
from trainer.training.tasks import TASKS

_MIN_IMAGES = 8
_NEARLY_ALL = 0.9  # fraction of the predictions
_CLASSES_PER_FAVOURED = 4  # at most one class in four is favoured
_HARDLY_EVER = 0.1  # recall


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictions:
    """Images with their labels and the probabilities that a model gives them.

    Attributes:
        names: The images' paths.
        probabilities: float64 [N, K].
        targets: int64 [N]; multilabel: [N, K] of 0 and 1.
    """

    names: Sequence[str]
    probabilities: npt.NDArray[np.float64]
    targets: npt.NDArray[Any]

    def predicted(self, *, task: Task, thresholds: Sequence[float]) -> npt.NDArray[np.bool_]:
        """Tell which classes are predicted for which images.

        Args:
            task: Of the model.
            thresholds: Multilabel: one for each class; a label is predicted at this probability or above.

        Returns:
            bool [N, K].
        """
        return TASKS[task].predicted(self.probabilities, thresholds)

    def correct(self, *, task: Task, thresholds: Sequence[float]) -> npt.NDArray[np.bool_]:
        """Tell which images are predicted correctly; multilabel: exactly the image's labels.

        Args:
            task: Of the model.
            thresholds: Multilabel: one for each class; a label is predicted at this probability or above.

        Returns:
            bool [N].
        """
        return TASKS[task].correct(self.probabilities, self.targets, thresholds)


@dataclass(frozen=True, kw_only=True, eq=False)
class Collapse:
    """A model that predicts a few classes whatever the image shows.

    Attributes:
        favoured: Indices of the classes that it predicts, the most frequent first.
        fraction: Of all predictions, those of a favoured class.
        class_count: Number of classes among the images.
        other_count: How many of these are not favoured.
        other_recall: Mean recall of these other classes.
    """

    favoured: Sequence[int]
    fraction: float
    class_count: int
    other_count: int
    other_recall: float


def find_collapse(predictions: Predictions) -> Collapse | None:
    """Find out whether a classification model has collapsed; None if not, or if there are too few images to know.

    It has if one class, or at most a quarter of them, gets nine tenths of the predictions, and the other classes are
    hardly ever recognised. Every class among the images counts equally, however frequent it is: a model that predicts
    a frequent class for everything has collapsed too, even if most of its predictions are correct.
    """
    predicted, targets = predictions.probabilities.argmax(axis=1), predictions.targets
    present = np.unique(targets)
    fractions = _balanced_fractions(predicted, targets, class_count=predictions.probabilities.shape[1])
    order = np.argsort(-fractions, kind="stable")
    count = int(np.searchsorted(np.cumsum(fractions[order]), _NEARLY_ALL - 1e-9)) + 1
    favoured = order[:count]
    others = np.setdiff1d(present, favoured)
    recall = float(np.mean([(predicted[targets == k] == k).mean() for k in others])) if len(others) else 1.0
    few_favoured = count <= max(1, len(present) // _CLASSES_PER_FAVOURED) and len(present) > 1
    if len(predicted) < _MIN_IMAGES or not few_favoured or recall >= _HARDLY_EVER:
        return None
    return Collapse(
        favoured=favoured.tolist(),
        fraction=float(np.isin(predicted, favoured).mean()),
        class_count=len(present),
        other_count=len(others),
        other_recall=recall,
    )


def _balanced_fractions(
    predicted: npt.NDArray[np.int64], targets: npt.NDArray[np.int64], *, class_count: int
) -> npt.NDArray[np.float64]:
    """Fraction of the predictions that each class gets, [K], as if all classes of the targets were equally frequent."""
    counts = np.bincount(targets, minlength=class_count)
    return np.asarray(np.bincount(predicted, 1 / counts[targets], class_count) / (counts > 0).sum())
