"""What a fit ends with: the best model that there was."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from trainer.data import TrainingData
from trainer.model import Classifier
from trainer.training.calibration import Calibration, calibrate
from trainer.training.checkpoint import load_weights
from trainer.training.distributed import Distributed
from trainer.training.evaluate import predict_distributed
from trainer.training.memory import MicroBatch
from trainer.training.metrics import measure

BEST = Path("checkpoints", "best.safetensors")


@dataclass(frozen=True, kw_only=True, eq=False)
class FitResult:
    """The best model of a fit.

    model          on the CPU, in eval mode
    calibration    what is to be done to its logits before it answers; `trainer.export` finds it again on the CPU
    logits         float32 [N, K] of the validation images, in their order
    subset_logits  float32 [M, K] of the training images that are measured as they are, in their order
    metrics        what `measure` says of the validation images
    stages         name -> wall time in seconds
    """

    model: Classifier
    calibration: Calibration
    logits: npt.NDArray[np.float32]
    subset_logits: npt.NDArray[np.float32]
    metrics: dict[str, float]
    stage_seconds: dict[str, float]


def best_fitted(
    model: Classifier,
    data: TrainingData,
    *,
    run: Path,
    device: torch.device,
    micro_batch: MicroBatch,
    stage_seconds: dict[str, float],
    processes: Distributed,
) -> FitResult:
    """The model with the best weights that were saved, measured once more, in the micro-batches of before."""
    if processes.is_main:
        load_weights(model, run / BEST)
    processes.sync_module(model)
    logits, subset_logits = (
        predict_distributed(model, cache, processes=processes, device=device, micro_batch=micro_batch)
        for cache in (data.valid, data.subset)
    )
    calibration = calibrate(logits, data.valid_targets, task=data.task)
    return FitResult(
        model=model.cpu().eval(),
        calibration=calibration,
        logits=logits,
        subset_logits=subset_logits,
        metrics=measure(calibration.activate(logits), data.valid_targets, task=data.task),
        stage_seconds=stage_seconds,
    )
