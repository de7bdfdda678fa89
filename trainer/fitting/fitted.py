"""What a fit ends with: the best model that there was."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from trainer.fitting.data import TrainingData
from trainer.fitting.hardware.memory import MicroBatch
from trainer.fitting.hardware.processes import Processes
from trainer.fitting.measuring.calibration import Calibration, calibrate
from trainer.fitting.measuring.evaluate import predict_together
from trainer.fitting.measuring.metrics import measure
from trainer.fitting.records.checkpoint import load_weights
from trainer.model import Classifier

BEST = Path("checkpoints", "best.safetensors")


@dataclass(frozen=True, kw_only=True, eq=False)
class Fitted:
    """The best model of a fit.

    model          on the CPU, in eval mode
    calibration    what is to be done to its logits before it answers; `trainer.export` finds it again on the CPU
    logits         float32 [N, K] of the validation images, in their order
    subset_logits  float32 [M, K] of the training images that are measured as they are, in their order
    figures        what `measure` says of the validation images
    stages         name -> wall time in seconds
    """

    model: Classifier
    calibration: Calibration
    logits: npt.NDArray[np.float32]
    subset_logits: npt.NDArray[np.float32]
    figures: dict[str, float]
    stages: dict[str, float]


def best_fitted(
    model: Classifier,
    data: TrainingData,
    *,
    run: Path,
    device: torch.device,
    micro_batch: MicroBatch,
    stages: dict[str, float],
    processes: Processes,
) -> Fitted:
    """The model with the best weights that were saved, measured once more, in the micro-batches of before."""
    if processes.is_main:
        load_weights(model, run / BEST)
    processes.align(model)
    logits, subset_logits = (
        predict_together(model, cache, processes=processes, device=device, micro_batch=micro_batch)
        for cache in (data.valid, data.subset)
    )
    calibration = calibrate(logits, data.valid_targets, task=data.task)
    return Fitted(
        model=model.cpu().eval(),
        calibration=calibration,
        logits=logits,
        subset_logits=subset_logits,
        figures=measure(calibration.activate(logits), data.valid_targets, task=data.task),
        stages=stages,
    )
