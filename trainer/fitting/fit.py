"""The two-stage recipe: the head on the frozen body, then everything."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from trainer.fitting.checkpoint import load_weights, save_weights
from trainer.fitting.data import TrainingData
from trainer.fitting.devices import keep_freed_memory
from trainer.fitting.evaluate import predict_logits
from trainer.fitting.head_stage import extract_features, fit_head
from trainer.fitting.history import History
from trainer.fitting.metrics import LEADING, activate, measure
from trainer.fitting.progress import Progress
from trainer.fitting.recipe import Recipe, RecipeError
from trainer.fitting.whole_stage import fit_whole
from trainer.model import Backbone, Classifier

BEST = Path("checkpoints", "best.safetensors")
_CROP_STEP = 32


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
    """Train a classifier; the best weights so far are in RUN/checkpoints, what happened is in RUN/history.jsonl."""
    keep_freed_memory()
    history = History(run / "history.jsonl")
    keeper = _Keeper(run / BEST, data, history=history, device=device, progress=progress)
    stages: dict[str, float] = {}
    model = Classifier(backbone, class_count=data.class_count, dropout=recipe.dropout)
    model = model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    size = backbone.pixels.size
    if recipe.head.epochs and backbone.pretrained:
        start = time.perf_counter()
        features = extract_features(model, data, recipe, size=size, device=device, progress=progress)
        stages["features"] = time.perf_counter() - start
        images = features.train.shape[0] * len(data.train) + len(data.valid)
        history.write(
            "stage", stage="features", seconds=stages["features"], images_per_second=images / stages["features"]
        )
        start = time.perf_counter()
        fit_head(model, features, data, recipe, progress=progress)
        stages["head"] = time.perf_counter() - start
        history.write("stage", stage="head", seconds=stages["head"])
        progress.say(
            f"head: {stages['features']:.0f} s for features ({images / stages['features']:.0f} images/s), "
            f"{stages['head']:.1f} s for the head"
        )
        keeper.consider(model, stage="head", epoch=0)
        del features
    start = time.perf_counter()
    crop = size if backbone.fixed_size else crop_size(size, recipe.whole.size_share)
    for epoch in fit_whole(model, data, recipe, size=crop, device=device, progress=progress):
        keeper.consider(
            epoch.model,
            stage="whole",
            epoch=epoch.number,
            train_loss=epoch.loss,
            images_per_second=epoch.images_per_second,
        )
    stages["whole"] = time.perf_counter() - start
    history.write("stage", stage="whole", seconds=stages["whole"])
    load_weights(model, run / BEST)
    return Fitted(
        model=model.cpu().eval(),
        probabilities=activate(keeper.best_logits, data.task),
        figures=keeper.best_figures,
        stages=stages,
    )


def require_training(recipe: Recipe, backbone: Backbone) -> None:
    """Raise RecipeError where neither stage would run."""
    if not recipe.whole.epochs and not (recipe.head.epochs and backbone.pretrained):
        raise RecipeError(
            "nothing would be trained: whole.epochs is 0, and the head alone is trained only on pretrained weights "
            "and with head.epochs over 0"
        )


def crop_size(size: int, share: float) -> int:
    """Side of the training crops, pixels: a share of the model's, to a multiple of 32 (networks halve five times)."""
    return max(_CROP_STEP, round(size * share / _CROP_STEP) * _CROP_STEP)


class _Keeper:
    """Measures a model on the validation images, and keeps its weights when it is the best so far."""

    def __init__(
        self, path: Path, data: TrainingData, *, history: History, device: torch.device, progress: Progress
    ) -> None:
        self.best_figures: dict[str, float] = {}
        self.best_logits: npt.NDArray[np.float32] = np.empty((0, data.class_count), np.float32)
        self._path = path
        self._data = data
        self._history = history
        self._device = device
        self._progress = progress

    def consider(self, model: Classifier, **circumstances: Any) -> None:
        """Measure, write a line of history, and save the weights if none were better."""
        logits = predict_logits(model, self._data.valid, device=self._device)
        figures = measure(activate(logits, self._data.task), self._data.valid_targets, task=self._data.task)
        best = not self.best_figures or self._rank(figures) > self._rank(self.best_figures)
        if best:
            save_weights(model, self._path)
            self.best_figures, self.best_logits = figures, logits
        self._history.write("epoch", **circumstances, valid=figures, best=best)
        shown = "  ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in figures.items())
        told = "  ".join(
            f"{name.replace('_', ' ')} {value:.4g}" if isinstance(value, float) else str(value)
            for name, value in circumstances.items()
        )
        self._progress.say(f"{told}  |  {shown}{'  *' if best else ''}")

    def _rank(self, figures: dict[str, float]) -> tuple[float, float]:
        return figures[LEADING[self._data.task]], -figures["loss"]
