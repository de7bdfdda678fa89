"""What both stages learn from: cached images with their targets, and the loss between targets and logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from service.bundle.spec import Task
from trainer.data import PixelCache


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingData:
    """Images and targets of both sides of the split.

    train          whole images, squished to squares with room for augmentation
    valid          images as the service decodes them
    train_targets, valid_targets  int64 [N] for classification, float32 [N, K] for multilabel
    coarse_indices   int64 [K], the number of each class's group; [0] where there are no groups
    subset         some of the training images, decoded as `valid` are, to be measured as they are
    subset_positions  int64 [M], where they stand among the training images; rising
    """

    task: Task
    class_count: int
    coarse_indices: npt.NDArray[np.int64]
    train: PixelCache
    train_targets: npt.NDArray[Any]
    valid: PixelCache
    valid_targets: npt.NDArray[Any]
    subset: PixelCache
    subset_positions: npt.NDArray[np.int64]

    @property
    def subset_targets(self) -> npt.NDArray[Any]:
        """int64 [M] or float32 [M, K]."""
        return np.asarray(self.train_targets[self.subset_positions])
