"""What a model predicts for cached images, how good that is, and whether training still improves it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from service.bundle.spec import Task
from trainer.data import PixelSource, StreamedImages, TrainingData
from trainer.errors import FitError
from trainer.model import Classifier
from trainer.progress import NoProgress, Progress
from trainer.training.memory import MicroBatch
from trainer.training.metrics import PRIMARY_METRIC, activate, compute_metrics
from trainer.training.session import Session

BATCH_SIZE = 64


@dataclass(frozen=True, kw_only=True)
class EpochMetrics:
    """Metrics after an epoch; see `compute_metrics`.

    Attributes:
        train: Of some training images, decoded as the validation images are.
        valid: Of the validation images; empty if there are none.
    """

    train: dict[str, float]
    valid: dict[str, float]


def evaluate_epoch(model: Classifier, data: TrainingData, session: Session, micro_batch: MicroBatch) -> EpochMetrics:
    """Measure a model on the validation images and on some training images, on all processes together.

    Raises:
        FitError: A logit is not finite (on the main process).
    """
    found: list[dict[str, float]] = []
    start_measuring(data, session)
    for cache, targets in ((data.subset, data.subset_targets), (data.valid, data.valid_targets)):
        if not len(cache):
            found.append({})
            continue
        logits = predict_distributed(model, cache, session, micro_batch)
        if session.distributed.is_main and not np.isfinite(logits).all():
            raise FitError("the predictions of the network are not finite any more; try a tenth of the `lr`")
        probabilities = activate(logits, data.task)
        found.append(compute_metrics(probabilities, targets, task=data.task, coarse_indices=data.coarse_indices))
    return EpochMetrics(train=found[0], valid=found[1])


def start_measuring(data: TrainingData, session: Session) -> None:
    """Show that the validation images and some training images are predicted; each process predicts its shard."""
    shards = (session.distributed.shard(len(images)) for images in (data.subset, data.valid))
    session.progress.start("evaluate", sum(shard.stop - shard.start for shard in shards))


class EarlyStopping:
    """Stops training after a number of epochs without a better primary metric.

    Attributes:
        metric: Name of that metric.
        wait: Number of epochs since the last better one.
    """

    def __init__(self, patience: int, *, task: Task, wait: int = 0) -> None:
        """Stop after `patience` such epochs; 0: never."""
        self.metric = PRIMARY_METRIC[task]
        self.wait = wait
        self._patience = patience

    @property
    def stop(self) -> bool:
        """Whether it is time to stop."""
        return 0 < self._patience <= self.wait

    def update(self, best_before: Mapping[str, float], best: Mapping[str, float]) -> None:
        """Count an epoch, by the best metrics before it (empty: none) and after it."""
        improved = not best_before or best[self.metric] > best_before[self.metric]
        self.wait = 0 if improved else self.wait + 1


@torch.inference_mode()
def predict_logits(
    model: nn.Module,
    cache: PixelSource,
    *,
    device: torch.device,
    progress: Progress | None = None,
    micro_batch: MicroBatch | None = None,
) -> npt.NDArray[np.float32]:
    """Predict every image of a cache.

    Args:
        model: On the device; is put into eval mode.
        cache: Images decoded with the bundle's own PixelSpec.
        device: Where to compute.
        progress: Is advanced by every image, and shows warnings.
        micro_batch: How many images the memory could hold before.

    Returns:
        Logits, float32 [N, K], in the order of the cache.

    Raises:
        FitError: The memory cannot hold a single image.
    """
    model.eval()
    micro_batch, progress = micro_batch or MicroBatch(BATCH_SIZE, device=device), progress or NoProgress()
    warn, images = progress.warn, StreamedImages(cache, device)

    def logits_of(positions: npt.NDArray[np.int64]) -> Tensor:
        logits: Tensor = model(to_pixels(images.batch(positions)))
        return logits.float()

    logits: list[Tensor] = []
    images.prefetch(range(len(cache)))
    for positions in batches(len(cache), BATCH_SIZE):
        logits += micro_batch.map(logits_of, positions, warn=warn)
        progress.advance(len(positions))
    return np.asarray(torch.cat(logits).cpu())  # waits for the device


def predict_distributed(
    model: Classifier, cache: PixelSource, session: Session, micro_batch: MicroBatch
) -> npt.NDArray[np.float32]:
    """Predict every image of a cache as `predict_logits` does; each process predicts its shard of the images."""
    distributed, device, progress = session.distributed, session.device, session.progress
    if not len(cache):
        return np.empty((0, model.head.out_features), dtype=np.float32)
    if distributed.world_size == 1:
        return predict_logits(model, cache, device=device, progress=progress, micro_batch=micro_batch)
    shard = distributed.shard(len(cache))
    logits = torch.zeros(len(cache), model.head.out_features)
    if shard.start < shard.stop:
        own = cache.select(range(shard.start, shard.stop))
        found = predict_logits(model, own, device=device, progress=progress, micro_batch=micro_batch)
        logits[shard] = torch.from_numpy(found)
    distributed.all_reduce(logits)
    return logits.numpy()


def batches(count: int, size: int) -> list[npt.NDArray[np.int64]]:
    """Split 0 .. count - 1, in order, into arrays of `size` numbers; the last one may be shorter."""
    return [np.arange(start, min(start + size, count), dtype=np.int64) for start in range(0, count, size)]


def to_pixels(images: Tensor) -> Tensor:
    """Convert uint8 [B, H, W, 3] to float32 [B, 3, H, W] in 0..255, channels last, on the same device."""
    return images.permute(0, 3, 1, 2).float().contiguous(memory_format=torch.channels_last)
