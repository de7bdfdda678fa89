"""First stage: the frozen body runs once over each view of each image, and the head is trained on its features."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from trainer.data import TrainingData, augment, fits_on_gpu, to_device
from trainer.errors import FitError
from trainer.model import Classifier
from trainer.recipe import Recipe
from trainer.training.balance import balance_of, epoch_order
from trainer.training.device import autocast, frozen_dtype
from trainer.training.evaluate import BATCH_SIZE, batches
from trainer.training.loss import compute_loss, seed_torch
from trainer.training.memory import MicroBatch, oom_as_fit_error
from trainer.training.phases import model_size
from trainer.training.schedule import OneCycle
from trainer.training.session import Session

_CPU = torch.device("cpu")
_STREAM = 1  # of random numbers
# A multiple of the batch size. A copy waits for the GPU, so there are few of them.
_IMAGES_A_COPY = 64 * BATCH_SIZE
# The views are augmented as in epochs that fine-tuning never reaches.
FIRST_VIEW = 1_000_000

# Views and positions of the images of a step, each int64 [B].
Picks = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


@torch.inference_mode()
def extract_features(model: Classifier, data: TrainingData, recipe: Recipe, session: Session) -> Tensor:
    """Run the body over every view of every training image. Several processes each handle their shard of the images.

    Returns:
        float16 [views, N, width]; on the main process on the GPU, if it has room, else on the CPU.

    Raises:
        FitError: The memory cannot hold a single image or all features, or a feature is not finite (on the main
            process).
    """
    model.eval()
    device, distributed = session.device, session.distributed
    views, count = recipe.head.views, len(data.train)
    shard = distributed.shard(count)
    session.progress.start("features", views * (shard.stop - shard.start), "views")
    with oom_as_fit_error(_CPU, "the features", advice="a smaller head.views in a recipe file, or `head_epochs=0`"):
        features = torch.zeros(views, count, model.head.in_features, dtype=torch.float16)
    micro_batch, dtype = MicroBatch(BATCH_SIZE, device=device), frozen_dtype(device, recipe.precision)

    def embed(view: int, positions: npt.NDArray[np.int64]) -> Tensor:
        pixels = augment(
            session.images.batch(positions),
            data.train.aspects[positions],
            positions,
            size=model_size(data),
            settings=recipe.augmentation,
            seed=recipe.seed,
            epoch=FIRST_VIEW + view,
        )
        with autocast(device, dtype):  # only the network: in bf16 the crops would be a pixel off
            return model.embed(pixels).to(torch.float16)

    def warn(text: str) -> None:
        session.warn(text, stage="features", micro_batch=micro_batch.size)

    for view in range(views):
        session.images.prefetch(range(shard.start, shard.stop))
        for block in batches(shard.stop - shard.start, _IMAGES_A_COPY):
            embeddings: list[Tensor] = []
            for part in batches(len(block), BATCH_SIZE):
                positions = shard.start + block[part]
                embeddings += micro_batch.map(partial(embed, view), positions, warn=warn)
                session.progress.advance(len(positions))
            features[view, shard.start + block] = torch.cat(embeddings).cpu()  # waits for the device
    distributed.all_reduce(features)
    if distributed.is_main:
        _require_finite(features, recipe)
        if fits_on_gpu(features.nbytes, device):
            return features.to(device)
    return features


class HeadLearner:
    """A copy of a model's head with its optimizer, trained on features: one view of each image in an epoch.

    It is on the device of the features.

    Attributes:
        head: Trained in place.
        steps: Number of steps in an epoch.
    """

    def __init__(self, model: Classifier, features: Tensor, data: TrainingData, recipe: Recipe) -> None:
        stage = recipe.head
        self.head = torch.nn.Linear(model.head.in_features, model.head.out_features)
        self.head.load_state_dict(model.head.state_dict())
        self.head.to(features.device)
        self.steps = -(-len(data.train_targets) // stage.batch_size)
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

    def start_epoch(self, epoch: int) -> list[Picks]:
        """Draw what each step of an epoch is shown, and seed its dropout."""
        views, count, _ = self._features.shape
        random = np.random.default_rng((self._recipe.seed, _STREAM, epoch))
        order = epoch_order(count, random=random, weights=self._balance.sampling)
        view = random.integers(views, size=count)
        earlier, positions = np.divmod(order, count)
        shown = (view[positions] + earlier) % views
        seed_torch(self._recipe.seed, _STREAM, epoch)
        size = self._recipe.head.batch_size
        return [(shown[start : start + size], positions[start : start + size]) for start in range(0, count, size)]

    def step(self, picks: Picks, *, lr: float, momentum: float) -> Tensor:
        """Take a step; `momentum` is Adam's beta1. Returns the mean loss, detached."""
        for group in self._optimizer.param_groups:
            group.update(lr=lr, betas=(momentum, 0.99))
        views, positions = (to_device(torch.from_numpy(part), self._features.device) for part in picks)
        loss = compute_loss(
            self.head(F.dropout(self._features[views, positions].float(), self._recipe.dropout)),
            self._targets[positions],
            task=self._task,
            smoothing=self._recipe.label_smoothing,
            weights=None if self._balance.loss is None else self._balance.loss[positions],
        )
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        return loss.detach()


def fit_head(model: Classifier, features: Tensor, data: TrainingData, recipe: Recipe, session: Session) -> None:
    """Train `model.head` in place, in one cycle.

    Raises:
        FitError: The loss is not finite.
    """
    stage, learner = recipe.head, HeadLearner(model, features, data, recipe)
    schedule = OneCycle(steps=stage.epochs * learner.steps, max_lr=stage.lr)
    session.progress.start("head", schedule.steps, "steps")
    for epoch in range(stage.epochs):
        losses: list[Tensor] = []
        for number, picks in enumerate(learner.start_epoch(epoch), start=epoch * learner.steps):
            lr, momentum = schedule.at(number)
            losses.append(learner.step(picks, lr=lr, momentum=momentum))
            session.progress.advance()
        loss = float(torch.stack(losses).sum())
        if not math.isfinite(loss):
            raise FitError(
                f"the loss of the head became {loss} in epoch {epoch + 1} at a head.lr of {stage.lr:g}; "
                "try a tenth of it in a recipe file"
            )
    model.head.load_state_dict(learner.head.state_dict())


def _require_finite(features: Tensor, recipe: Recipe) -> None:
    parts = torch.split(features.flatten(0, 1), _IMAGES_A_COPY)
    bad = sum(int((~part.isfinite().all(dim=1)).sum()) for part in parts)
    if bad:
        raise FitError(
            f"the features of {bad:,} of {features.shape[0] * features.shape[1]:,} views are not finite; "
            f"are the weights ({recipe.weights}) right? If they are, try `precision='fp32'`"
        )
