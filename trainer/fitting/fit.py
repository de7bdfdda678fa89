"""The two-stage recipe: the head on the frozen body, then everything; can be taken up again after any kill."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from trainer.fitting.checkpoint import load_state, load_weights, save_state
from trainer.fitting.data import TrainingData
from trainer.fitting.devices import keep_freed_memory
from trainer.fitting.evaluate import predict_logits
from trainer.fitting.head_stage import extract_features, fit_head
from trainer.fitting.history import History
from trainer.fitting.keeper import Keeper
from trainer.fitting.metrics import activate, measure
from trainer.fitting.progress import Progress
from trainer.fitting.recipe import Recipe, RecipeError
from trainer.fitting.whole_stage import WholeStage
from trainer.model import Backbone, Classifier

BEST = Path("checkpoints", "best.safetensors")
LAST = Path("checkpoints", "last.safetensors")
_CROP_STEP = 32
_FEW_STEPS = 10


class FitError(Exception):
    """Training that came to nothing. The message says what to try."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Fitted:
    """The best model of a fit.

    model          on the CPU, in eval mode
    probabilities  float64 [N, K] of the validation images, in their order
    figures        what `measure` says of them
    stages         name -> wall time in seconds
    """

    model: Classifier
    probabilities: npt.NDArray[np.float64]
    figures: dict[str, float]
    stages: dict[str, float]


def fit(
    backbone: Backbone,
    data: TrainingData,
    recipe: Recipe,
    *,
    run: Path,
    device: torch.device,
    progress: Progress,
) -> Fitted:
    """Train a classifier, from the start or from where RUN/checkpoints/last.safetensors was saved.

    The best weights so far are in RUN/checkpoints/best.safetensors, what happened is in RUN/history.jsonl.
    """
    keep_freed_memory()
    history = History(run / "history.jsonl")
    keeper = Keeper(run / BEST, data, history=history, device=device, progress=progress)
    model = Classifier(backbone, class_count=data.class_count, dropout=recipe.dropout)
    model = model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    size = backbone.pixels.size
    stages: dict[str, float] = {}
    resumed = (run / LAST).exists()
    if not resumed:
        history.cut(0)
        if recipe.head.epochs and backbone.pretrained:
            stages |= _head_stage(model, data, recipe, size=size, device=device, history=history, progress=progress)
            keeper.consider(model, stage="head", epoch=0)
    crop = size if backbone.fixed_size else crop_size(size, recipe.whole.size_share)
    whole = WholeStage(model, data, recipe, size=crop, device=device)
    if resumed:
        tensors, facts = load_state(run / LAST)
        whole.restore(tensors, facts)
        stages, keeper.best = facts["stages"], facts["best"]
        history.cut(facts["history_bytes"])
        progress.say(f"resumed at step {facts['step']}")
    else:
        stages["whole"] = 0.0
    spent_before, start = stages["whole"], time.perf_counter()
    saved = start

    def save() -> None:
        nonlocal saved
        saved = time.perf_counter()
        stages["whole"] = spent_before + saved - start
        tensors, facts = whole.state()
        facts |= {"stages": stages, "best": keeper.best, "history_bytes": history.length_bytes}
        save_state(run / LAST, tensors, facts)

    def save_when_due() -> None:
        if time.perf_counter() - saved >= recipe.checkpoint_s:
            save()

    if whole.step_count < _FEW_STEPS:
        progress.say(
            f"warning: only {whole.step_count} training steps; more --epochs or a smaller --batch-size may help"
        )
    save()
    while not whole.done:
        epoch = whole.run_epoch(progress=progress, on_step=save_when_due)
        if not np.isfinite(epoch.losses).all():
            raise FitError(
                f"the loss became {np.sum(epoch.losses)} in epoch {epoch.number}; try a tenth of the rate with --lr"
            )
        steps = zip(epoch.rates, epoch.momenta, epoch.losses, strict=True)
        history.write_all(
            "step",
            [{"epoch": epoch.number, "rate": rate, "momentum": moment, "loss": loss} for rate, moment, loss in steps],
        )
        keeper.consider(
            whole.average,
            stage="whole",
            epoch=epoch.number,
            train_loss=float(np.mean(epoch.losses)),
            images_per_second=epoch.images_per_second,
        )
        save()
    history.write("stage", stage="whole", seconds=stages["whole"])
    load_weights(model, run / BEST)
    probabilities = activate(predict_logits(model, data.valid, device=device), data.task)
    return Fitted(
        model=model.cpu().eval(),
        probabilities=probabilities,
        figures=measure(probabilities, data.valid_targets, task=data.task),
        stages=stages,
    )


def _head_stage(
    model: Classifier,
    data: TrainingData,
    recipe: Recipe,
    *,
    size: int,
    device: torch.device,
    history: History,
    progress: Progress,
) -> dict[str, float]:
    """Run the first stage; returns the seconds that its two parts took."""
    start = time.perf_counter()
    features = extract_features(model, data, recipe, size=size, device=device, progress=progress)
    extracted = time.perf_counter()
    fit_head(model, features, data, recipe, progress=progress)
    seconds = {"features": extracted - start, "head": time.perf_counter() - extracted}
    rate = features.shape[0] * features.shape[1] / seconds["features"]
    history.write("stage", stage="features", seconds=seconds["features"], images_per_second=rate)
    history.write("stage", stage="head", seconds=seconds["head"])
    progress.say(
        f"head: {seconds['features']:.0f} s for features ({rate:.0f} images/s), {seconds['head']:.1f} s for the head"
    )
    return seconds


def require_training(recipe: Recipe, backbone: Backbone) -> None:
    """Raise RecipeError where neither stage would run."""
    if not recipe.whole.epochs and not (recipe.head.epochs and backbone.pretrained):
        raise RecipeError(
            "nothing would be trained: whole.epochs is 0, and the head alone is trained only on pretrained weights "
            "and with head.epochs over 0"
        )


def crop_size(size: int, share: float) -> int:
    """Side of the training crops, pixels: a share of the model's, to a multiple of 32 (networks halve five times)."""
    if share == 1:
        return size
    return max(_CROP_STEP, round(size * share / _CROP_STEP) * _CROP_STEP)
