"""What an export starts from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from service.pixels import PixelSpec
from trainer.catalog import Catalog
from trainer.data import PixelSource
from trainer.model import Classifier
from trainer.recipe import Recipe


@dataclass(frozen=True, kw_only=True, eq=False)
class CalibrationSet:
    """Images with known labels, on which everything is fitted that makes answers of logits.

    Attributes:
        images: Decoded with the `pixels` of the classifier.
        targets: int64 [N] for classification, float32 [N, K] for multilabel.
        independent: Whether they chose nothing else. Validation images chose the epoch.
    """

    images: PixelSource
    targets: npt.NDArray[Any]
    independent: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class LearnedImages:
    """Training images as the service sees them.

    Attributes:
        pixels: N images.
        targets: int64 [N], or float32 [N, K] for several labels an image.
    """

    pixels: PixelSource
    targets: npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class Exportable:
    """A trained classifier and what it was trained on.

    Attributes:
        classifier: The classifier with its best weights.
        pixels: How an image becomes the classifier's input.
        catalog: The readable images.
        checked: Images, decoded with `pixels`, for which the exported model must predict the same: the validation
            images, in order; if there are none, some training images.
        learned: Gives some of the training images; it may decode them first.
        recipe: The settings of the fit.
        unreadable_count: Number of files that could not be decoded and were left out.
        head_trained: Whether the head was first trained alone, on the frozen backbone.
        own_calibration_set: The images to calibrate on; None: the validation images.
    """

    classifier: Classifier
    pixels: PixelSpec
    catalog: Catalog
    checked: PixelSource
    learned: Callable[[], LearnedImages]
    recipe: Recipe
    unreadable_count: int
    head_trained: bool
    own_calibration_set: CalibrationSet | None = None

    @property
    def calibration_set(self) -> CalibrationSet:
        """The images to calibrate on: none if there are no validation images and no others were given."""
        if self.own_calibration_set is not None:
            return self.own_calibration_set
        rows = self.catalog.split("valid")
        images = self.checked if rows else self.checked.select([])
        return CalibrationSet(images=images, targets=self.catalog.targets(rows), independent=False)
