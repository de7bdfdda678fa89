"""The story of a training: the head, then epochs of fine-tuning, each with its metrics, best weights and checkpoint.

It continues after any kill, from the last checkpoint.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from trainer.data import TrainingData
from trainer.model import Backbone, Classifier
from trainer.recipe import Recipe
from trainer.training.calibration import Calibration, calibrate
from trainer.training.checkpoint import (
    BestCheckpoint,
    Checkpointer,
    TrainingFiles,
    TrainingState,
    load_weights,
    restore,
)
from trainer.training.device import enable_cudnn_benchmark, keep_freed_memory
from trainer.training.evaluate import (
    BATCH_SIZE,
    EarlyStopping,
    EpochMetrics,
    evaluate_epoch,
    predict_distributed,
    start_measuring,
)
from trainer.training.finetune import EpochResult, Finetuner
from trainer.training.head import extract_features, fit_head
from trainer.training.lr_find.search import find_finetune_lr, find_head_lr, with_lr_found
from trainer.training.memory import MicroBatch, oom_as_fit_error
from trainer.training.metrics import compute_metrics
from trainer.training.phases import for_backbone, trains_head
from trainer.training.session import Session
from trainer.wording import counted

_FEW_STEPS = 10


@dataclass(frozen=True, kw_only=True, eq=False)
class FitResult:
    """The best model of a training.

    Attributes:
        model: On the CPU, in eval mode.
        calibration: From its logits to its predictions; `trainer.export` fits it again, on the CPU.
        logits: float32 [N, K] of the validation images, in order; N may be 0.
        subset_logits: float32 [M, K] of the training images that are evaluated too, in order.
        metrics: Of the validation images, calibrated; see `compute_metrics`. Empty if there are none.
        stage_seconds: Stage -> wall time.
    """

    model: Classifier
    calibration: Calibration
    logits: npt.NDArray[np.float32]
    subset_logits: npt.NDArray[np.float32]
    metrics: dict[str, float]
    stage_seconds: dict[str, float]


def fit(backbone: Backbone, data: TrainingData, recipe: Recipe, session: Session, files: TrainingFiles) -> FitResult:
    """Train a classifier, from the start or from the last checkpoint.

    With several processes the main one writes the files, finds learning rates, trains the head and decides when to
    stop. Features, steps of fine-tuning and predictions are computed by all of them.

    Raises:
        FitError: Training failed; the best weights until then stay in `files.best`.
    """
    recipe = for_backbone(recipe, backbone)
    model = build_on_device(backbone, data, recipe, session.device)
    session.distributed.sync_module(model)
    state, evaluation = TrainingState(), MicroBatch(BATCH_SIZE, device=session.device)
    best = BestCheckpoint(files.best, task=data.task, session=session)

    resumed = session.distributed.broadcast(files.last.exists)
    if not resumed:
        session.history.truncate(0)
        if trains_head(recipe, backbone):
            state.stage_seconds |= train_head(model, data, recipe, session, files)
            metrics = evaluate_epoch(model, data, session, evaluation)
            _report_epoch(session, metrics, best=best.update(model, metrics.valid, state), stage="head", epoch=0)

    recipe = _with_finetune_lr(model, data, recipe, session, files)
    finetuner = Finetuner(model, data, recipe, session)
    if resumed:
        state = restore(files.last, finetuner, session)
    if session.distributed.is_main and 0 < finetuner.steps < _FEW_STEPS:
        session.progress.warn(
            f"only {counted(finetuner.steps, 'training step')}; more `epochs` or a smaller `batch_size` may help"
        )
    usual_lr = recipe.finetune.max_lr(steps=finetuner.steps, after_head=False)
    if 0 < finetuner.max_lr < usual_lr:
        session.progress.info(
            f"learning rate of at most {finetuner.max_lr:.2g} instead of {usual_lr:.2g}, because there are only "
            f"{counted(finetuner.steps, 'step')} in {counted(recipe.finetune.epochs, 'epoch')}; give `lr` for another "
            "one"
        )

    stopping = EarlyStopping(recipe.finetune.patience, task=data.task, wait=state.wait)
    checkpointer = Checkpointer(files.last, every_s=recipe.checkpoint_s, session=session)
    checkpointer.save(finetuner, state)
    while not session.distributed.broadcast(lambda: finetuner.is_done or stopping.stop):
        for samples in finetuner.start_epoch():
            finetuner.train_step(samples)
            if finetuner.is_within_epoch:
                checkpointer.save_if_due(finetuner, state)
        epoch = finetuner.finish_epoch()
        _record_steps(session, epoch)

        metrics, best_before = evaluate_epoch(finetuner.ema, data, session, evaluation), state.best
        _report_epoch(
            session,
            metrics,
            best=best.update(finetuner.ema, metrics.valid, state),
            stage="finetune",
            epoch=epoch.number,
            train_loss=float(np.mean(epoch.losses)),
            images_per_second=epoch.images_per_second,
        )
        stopping.update(best_before, state.best)
        state.wait = stopping.wait
        checkpointer.save(finetuner, state)

    if not finetuner.is_done:
        metric = stopping.metric.replace("_", " ")
        session.progress.info(f"no better {metric} for {state.wait} epochs: training stops here")
        session.history.event("stop", stage="finetune", epoch=finetuner.epochs_done, wait=state.wait)
    session.history.event("stage", stage="finetune", seconds=state.stage_seconds.get("finetune", 0.0))
    if session.distributed.is_main:
        load_weights(model, files.best)
    session.distributed.sync_module(model)
    return _result(model, data, session, evaluation, state)


def build_on_device(backbone: Backbone, data: TrainingData, recipe: Recipe, device: torch.device) -> Classifier:
    """Make a new classifier on the device, channels last, and prepare the device for training.

    Raises:
        FitError: The device has not enough memory.
    """
    keep_freed_memory()
    enable_cudnn_benchmark(device)
    model = Classifier(backbone, class_count=data.class_count, dropout=recipe.dropout)
    with oom_as_fit_error(device):
        return model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def train_head(
    model: Classifier, data: TrainingData, recipe: Recipe, session: Session, files: TrainingFiles
) -> dict[str, float]:
    """Run the first stage: features, the learning rate if the recipe asks to find it, the head.

    The head is trained on the main process, then sent to the others.

    Returns:
        Seconds of both parts; empty on processes that are not the main one.
    """
    start = time.perf_counter()
    features = extract_features(model, data, recipe, session)
    if not session.distributed.is_main:
        session.distributed.sync_module(model.head)
        return {}
    extracted = time.perf_counter()
    recipe = with_lr_found(
        recipe, "head", lambda: find_head_lr(model, features, data, recipe, session), session, files.lr_find
    )
    fit_head(model, features, data, recipe, session)
    session.distributed.sync_module(model.head)
    seconds = {"features": extracted - start, "head": time.perf_counter() - extracted}
    speed = features.shape[0] * features.shape[1] / seconds["features"]
    session.history.event("stage", stage="features", seconds=seconds["features"], images_per_second=speed)
    session.history.event("stage", stage="head", seconds=seconds["head"])
    session.progress.info(
        f"head: {seconds['features']:.0f} s for the features ({speed:.0f} images/s), {seconds['head']:.1f} s for the "
        "head"
    )
    return seconds


def _with_finetune_lr(
    model: Classifier, data: TrainingData, recipe: Recipe, session: Session, files: TrainingFiles
) -> Recipe:
    """The recipe with the learning rate of fine-tuning that the main process found, if the recipe asks to find it."""

    def lr() -> float:
        if not recipe.finetune.epochs:
            return recipe.finetune.lr
        search = None if files.last.exists() else lambda: find_finetune_lr(model, data, recipe, session)
        return with_lr_found(recipe, "finetune", search, session, files.lr_find).finetune.lr

    finetune = dataclasses.replace(recipe.finetune, lr=session.distributed.broadcast(lr))
    return dataclasses.replace(recipe, finetune=finetune)


def _record_steps(session: Session, epoch: EpochResult) -> None:
    steps = zip(epoch.lrs, epoch.momenta, epoch.losses, strict=True)
    session.history.events(
        "step",
        [{"epoch": epoch.number, "lr": lr, "momentum": momentum, "loss": loss} for lr, momentum, loss in steps],
    )


def _report_epoch(session: Session, metrics: EpochMetrics, *, best: bool, **values: Any) -> None:
    """Record an epoch with its values, and show it in one line."""
    session.history.event("epoch", **values, train=metrics.train, valid=metrics.valid, best=best)
    measured = metrics.valid or {f"training_{name}": value for name, value in metrics.train.items()}
    shown = "  ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in measured.items())
    epoch = "  ".join(
        f"{name.replace('_', ' ')} {value:.4g}" if isinstance(value, float) else str(value)
        for name, value in values.items()
    )
    session.progress.info(f"{epoch}  |  {shown}{'  * best so far' if best and metrics.valid else ''}")


def _result(
    model: Classifier, data: TrainingData, session: Session, evaluation: MicroBatch, state: TrainingState
) -> FitResult:
    """Evaluate the best weights once more, and calibrate them."""
    start_measuring(data, session)
    logits, subset_logits = (
        predict_distributed(model, cache, session, evaluation) for cache in (data.valid, data.subset)
    )
    calibration = calibrate(logits, data.valid_targets, task=data.task)
    metrics = compute_metrics(calibration.activate(logits), data.valid_targets, task=data.task) if len(logits) else {}
    return FitResult(
        model=model.cpu().eval(),
        calibration=calibration,
        logits=logits,
        subset_logits=subset_logits,
        metrics=metrics,
        stage_seconds=state.stage_seconds,
    )
