"""The head alone, on features that were computed once: its batches and its steps."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from trainer.data import TrainingData, to_device
from trainer.model import Classifier
from trainer.recipe import Recipe
from trainer.training.balance import balance_of, epoch_order
from trainer.training.loss import loss_of, seed_torch

_STAGE = 1

# Views and positions of the images of a step, each int64 [B].
Picked = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


class HeadLearner:
    """A copy of a model's head, with an optimizer, that learns from features, one view of each image an epoch.

    It lies where the features do.

    head   learns in place
    count  of the steps of an epoch
    """

    def __init__(self, model: Classifier, features: Tensor, data: TrainingData, recipe: Recipe) -> None:
        """`features` is what `extract_features` gave."""
        stage = recipe.head
        self.head = torch.nn.Linear(model.head.in_features, model.head.out_features)
        self.head.load_state_dict(model.head.state_dict())
        self.head.to(features.device)
        self.count = -(-len(data.train_targets) // stage.batch_size)
        self._features = features
        self._recipe = recipe
        self._task = data.task
        self._optimizer = torch.optim.AdamW(
            [
                {"params": [self.head.weight], "weight_decay": stage.weight_decay},
                {"params": [self.head.bias], "weight_decay": 0.0},
            ],
            betas=(0.9, 0.99),
        )
        self._targets = torch.from_numpy(data.train_targets).to(features.device)
        self._balance = balance_of(data, recipe, device=features.device)

    def begin_epoch(self, epoch: int) -> list[Picked]:
        """What the steps of an epoch are shown; seeds its dropout."""
        views, count, _ = self._features.shape
        random = np.random.default_rng((self._recipe.seed, _STAGE, epoch))
        order = epoch_order(count, random=random, weights=self._balance.drawing)
        view = random.integers(views, size=count)
        earlier, positions = np.divmod(order, count)
        shown = (view[positions] + earlier) % views
        seed_torch(self._recipe.seed, _STAGE, epoch)
        size = self._recipe.head.batch_size
        return [(shown[start : start + size], positions[start : start + size]) for start in range(0, count, size)]

    def step(self, picked: Picked, *, rate: float, momentum: float) -> Tensor:
        """Learn from some images, `momentum` is Adam's beta1; returns their mean loss, detached."""
        for group in self._optimizer.param_groups:
            group.update(lr=rate, betas=(momentum, 0.99))
        views, positions = (to_device(torch.from_numpy(part), self._features.device) for part in picked)
        loss = loss_of(
            self.head(F.dropout(self._features[views, positions].float(), self._recipe.dropout)),
            self._targets[positions],
            task=self._task,
            smoothing=self._recipe.label_smoothing,
            weights=None if self._balance.counting is None else self._balance.counting[positions],
        )
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        return loss.detach()
