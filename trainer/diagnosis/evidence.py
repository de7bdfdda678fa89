"""Everything that the rules look at, with the quantities that several of them need."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from service.bundle.spec import Task
from trainer.catalog import Catalog, Split
from trainer.diagnosis.curve import LearningCurve
from trainer.diagnosis.label_noise import LabelNoise
from trainer.diagnosis.near_duplicates import NEAR_DUPLICATE_SIMILARITY
from trainer.diagnosis.predictions import Collapse, Predictions, find_collapse
from trainer.recipe import Recipe
from trainer.training.lr_find.result import LRFindResult
from trainer.training.lr_find.suggestions import Rule

_CLEARLY_OTHER_LR = 3.0  # ratio of two learning rates
_MIN_LEAKED_IMAGES = 3
_MIN_LEAKED_FRACTION = 0.10


@dataclass(frozen=True, kw_only=True)
class LRSuggestion:
    """What the learning rate finder suggests for fine-tuning.

    Attributes:
        lowest: The lowest learning rate that it suggests. By the rule `edge` the loss hardly fell, and what is read
            from its fall is noise; `lowest` and `highest` are then both the learning rate above which the loss began
            to rise.
        highest: The highest one.
        lr: The one that `lr='auto'` uses.
        rule: How `lr` was chosen.
    """

    lowest: float
    highest: float
    lr: float
    rule: Rule

    @classmethod
    def from_result(cls, result: LRFindResult | None) -> LRSuggestion | None:
        """Read the result for fine-tuning; None if there is none, or if it does not say anything."""
        if result is None or result.rule == "recipe":
            return None
        found = result.suggestions
        lrs = (found.valley, found.steepest, found.minimum_tenth) if result.rule == "mean" else (result.suggestion,)
        return cls(lowest=min(lrs), highest=max(lrs), lr=result.suggestion, rule=result.rule)

    def is_too_low(self, lr: float) -> bool:
        """Whether a learning rate is less than a third of the lowest one."""
        return lr * _CLEARLY_OTHER_LR < self.lowest

    def is_near(self, lr: float) -> bool:
        """Whether a learning rate is at least a third and at most three times `self.lr`."""
        return self.lr <= lr * _CLEARLY_OTHER_LR and lr <= self.lr * _CLEARLY_OTHER_LR


@dataclass(frozen=True, kw_only=True, eq=False)
class NearestTrainImages:
    """The most similar training image of each validation image.

    Attributes:
        similarities: float32 [M], -1 to 1; see `near_duplicates.nearest`.
        pairs: M pairs of paths: the validation image and the training image.
        few: Whether there are so few images that some different ones seem similar; see `near_duplicates.whiten`.
    """

    similarities: npt.NDArray[np.float32]
    pairs: Sequence[tuple[str, str]]
    few: bool

    @property
    def is_near_duplicate(self) -> npt.NDArray[np.bool_]:
        """Whether each validation image has a near duplicate among the training images, bool [M]."""
        return self.similarities >= NEAR_DUPLICATE_SIMILARITY

    @property
    def leaked(self) -> bool:
        """Whether a tenth of the validation images, and at least three, have a near duplicate."""
        found = self.is_near_duplicate
        return bool(found.sum() >= _MIN_LEAKED_IMAGES and found.mean() >= _MIN_LEAKED_FRACTION)


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """Everything that the rules look at.

    Attributes:
        recipe: Of the run.
        catalog: The images of the run that could be decoded.
        lost_classes: Classes that were left out, because none of their training images could be decoded.
        curve: How the fine-tuning went.
        lr_suggestion: What the learning rate finder suggests; None if it was not run, or does not say anything.
        valid: What the best model predicts for the validation images; there may be none.
        train_subset: What it predicts for some training images, without augmentation.
        thresholds: Multilabel: one for each class; a label is predicted at this probability or above.
        nearest: The most similar training image of each validation image.
        label_noise: Labels that are probably wrong; None if there are few, and for multilabel.
    """

    recipe: Recipe
    catalog: Catalog
    lost_classes: Sequence[str]
    curve: LearningCurve
    lr_suggestion: LRSuggestion | None
    valid: Predictions
    train_subset: Predictions
    thresholds: Sequence[float]
    nearest: NearestTrainImages
    label_noise: LabelNoise | None

    @property
    def task(self) -> Task:
        """Of the catalog."""
        return self.catalog.task

    @property
    def has_validation(self) -> bool:
        """Whether there are validation images."""
        return len(self.valid.targets) > 0

    @property
    def judged(self) -> Predictions:
        """The predictions for the validation images; if there are none, those for training images."""
        return self.valid if self.has_validation else self.train_subset

    @functools.cached_property
    def correct(self) -> npt.NDArray[np.bool_]:
        """Whether each validation image is predicted correctly, bool [M]."""
        return self.valid.correct(task=self.task, thresholds=self.thresholds)

    @functools.cached_property
    def train_counts(self) -> dict[str, int]:
        """Number of training images of each class, in the order of the classes."""
        return _image_counts(self.catalog, "train")

    @functools.cached_property
    def valid_counts(self) -> dict[str, int]:
        """Number of validation images of each class, in the order of the classes; may be 0."""
        return _image_counts(self.catalog, "valid")

    @functools.cached_property
    def collapse(self) -> Collapse | None:
        """The classes that the model predicts for nearly all images; None if it does not, and for multilabel."""
        return find_collapse(self.judged) if self.task == "classification" else None

    @property
    def explained_error(self) -> float:
        """Part of the error that wrong labels explain, 0 to 1."""
        noise = self.label_noise
        return noise.valid_fraction if noise and noise.confidence != "low" else 0.0

    @functools.cached_property
    def is_slow(self) -> bool:
        """Whether learning was slow and had not finished at the end; see `LearningCurve.is_slow`."""
        return self.curve.is_slow(explained_error=self.explained_error)

    @property
    def lr_is_too_low(self) -> bool:
        """Whether the learning rate finder says that the learning rate was too low."""
        return self.lr_suggestion is not None and self.lr_suggestion.is_too_low(self.curve.max_lr)


def _image_counts(catalog: Catalog, split: Split) -> dict[str, int]:
    counts = Counter(label for row in catalog.split(split) for label in row.labels)
    return {label: counts[label] for label in catalog.classes}
