"""The first stage of a fit: features once, where asked for a search for the rate, the head."""

from __future__ import annotations

import time
from pathlib import Path

import torch

from trainer.data import Images, TrainingData
from trainer.model import Classifier
from trainer.progress import Progress
from trainer.recipe import Recipe
from trainer.training.distributed import Distributed
from trainer.training.head import extract_features, fit_head
from trainer.training.history import History
from trainer.training.lr_find.search import search_head_lr, with_found_lr


def fit_first_stage(
    model: Classifier,
    data: TrainingData,
    recipe: Recipe,
    *,
    size: int,
    run: Path,
    device: torch.device,
    images: Images,
    history: History,
    progress: Progress,
    processes: Distributed,
) -> dict[str, float]:
    """Run the first stage, the head itself on the main process alone; returns there the seconds of both parts."""
    start = time.perf_counter()
    features = extract_features(
        model,
        data,
        recipe,
        size=size,
        device=device,
        images=images,
        progress=progress,
        on_event=history.write,
        processes=processes,
    )
    if not processes.is_main:
        processes.sync_module(model.head)
        return {}
    extracted = time.perf_counter()
    recipe = with_found_lr(
        recipe,
        "head",
        lambda: search_head_lr(model, features, data, recipe, progress=progress),
        run=run,
        progress=progress,
    )
    fit_head(model, features, data, recipe, progress=progress)
    processes.sync_module(model.head)
    seconds = {"features": extracted - start, "head": time.perf_counter() - extracted}
    rate = features.shape[0] * features.shape[1] / seconds["features"]
    history.write("stage", stage="features", seconds=seconds["features"], images_per_second=rate)
    history.write("stage", stage="head", seconds=seconds["head"])
    progress.info(
        f"head: {seconds['features']:.0f} s for features ({rate:.0f} images/s), {seconds['head']:.1f} s for the head"
    )
    return seconds
