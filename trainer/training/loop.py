"""The two-stage recipe: the head on the frozen body, then everything; can be taken up again after any kill."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import torch

from trainer.data import Images, TrainingData
from trainer.errors import FitError, RecipeError
from trainer.model import Backbone, Classifier
from trainer.progress import Progress
from trainer.recipe import Recipe
from trainer.recipe_freezing import frozen_in, parse_freeze
from trainer.training.best import BestCheckpoint
from trainer.training.checkpoint import load_facts, load_state
from trainer.training.checkpointer import Checkpointer
from trainer.training.distributed import SINGLE_PROCESS, Distributed
from trainer.training.early_stopping import EarlyStopping
from trainer.training.finetune import Epoch, Finetuner
from trainer.training.first_stage import fit_first_stage
from trainer.training.history import History
from trainer.training.lr_find.result import LR_FIND, LRFindResult
from trainer.training.lr_find.search import search_finetune_lr, with_found_lr
from trainer.training.memory import oom_as_fit_error
from trainer.training.placing import place
from trainer.training.result import BEST, FitResult, best_fitted
from trainer.training.sizes import parse_sizes, require_sizes, training_size
from trainer.training.tensorboard import TensorBoard

LAST = Path("checkpoints", "last.safetensors")
_FEW_STEPS = 10


def fit(
    backbone: Backbone,
    data: TrainingData,
    recipe: Recipe,
    *,
    run: Path,
    device: torch.device,
    progress: Progress,
    board: TensorBoard | None = None,
    processes: Distributed = SINGLE_PROCESS,
) -> FitResult:
    """Train a classifier, from the start or from where RUN/checkpoints/last.safetensors was saved.

    The best weights so far are in RUN/checkpoints/best.safetensors, what happened is in RUN/history.jsonl, and
    on the board where there is one. Of several processes the main one writes, searches rates, trains the head and
    decides when to end; features, the steps of the whole network and measuring are shared out.
    """
    history = History(run / "history.jsonl" if processes.is_main else None, board=board)
    patience = EarlyStopping(recipe.finetune.patience, task=data.task)
    keeper = BestCheckpoint(run / BEST, data, history=history, device=device, progress=progress, processes=processes)
    model, images = place(backbone, data, recipe, device=device)
    processes.sync_module(model)
    stages: dict[str, float] = {}
    resumed = processes.broadcast((run / LAST).exists)
    if not resumed:
        history.cut(0)
        if recipe.head.epochs and backbone.pretrained:
            stages |= fit_first_stage(
                model,
                data,
                recipe,
                size=backbone.pixels.size,
                run=run,
                device=device,
                images=images,
                history=history,
                progress=progress,
                processes=processes,
            )
            keeper.consider(model, stage="head", epoch=0)
    size = training_size(backbone, recipe.finetune.crop_scale)
    rate = processes.broadcast(
        lambda: _whole_rate(
            model, data, recipe, size=size, run=run, resumed=resumed, device=device, images=images, progress=progress
        )
    )
    recipe = dataclasses.replace(recipe, finetune=dataclasses.replace(recipe.finetune, lr=rate))
    with oom_as_fit_error(device):
        whole = Finetuner(model, data, recipe, size=size, device=device, processes=processes, images=images)
    if resumed:
        facts = processes.broadcast(lambda: load_facts(run / LAST))
        tensors = processes.broadcast_tensors(lambda: load_state(run / LAST)[0])
        whole.restore(tensors, facts)
        stages, keeper.best, patience.waited = facts["stages"], facts["best"], facts["waited"]
        history.cut(facts["history_bytes"])
        progress.info(f"resumed at step {facts['step']}")
    else:
        stages["finetune"] = 0.0

    def rest(seconds: float) -> dict[str, Any]:
        stages["finetune"] = seconds
        return {
            "stages": stages,
            "best": keeper.best,
            "waited": patience.waited,
            "history_bytes": history.length_bytes,
        }

    saver = Checkpointer(
        run / LAST, whole, every_s=recipe.checkpoint_s, spent_s=stages["finetune"], rest=rest, processes=processes
    )
    if processes.is_main and 0 < whole.step_count < _FEW_STEPS:
        progress.warn(f"only {whole.step_count} training steps; more --epochs or a smaller --batch-size may help")
    try:
        _run_epochs(whole, keeper, patience, saver, history=history, progress=progress, processes=processes)
    except FitError as error:
        if not keeper.best:
            raise
        export = shlex.join(["python", "-m", "trainer", "export", str(run), "--out", "BUNDLE"])
        raise FitError(f"{error}; what was best until then: {export}") from error
    if not whole.done:
        progress.info(f"no better {patience.figure.replace('_', ' ')} for {patience.waited} epochs: training ends here")
        history.write("stop", stage="finetune", epoch=whole.epochs_done, waited=patience.waited)
    history.write("stage", stage="finetune", seconds=stages["finetune"])
    return best_fitted(
        model, data, run=run, device=device, micro_batch=keeper.micro_batch, stage_seconds=stages, processes=processes
    )


def _run_epochs(
    whole: Finetuner,
    keeper: BestCheckpoint,
    patience: EarlyStopping,
    saver: Checkpointer,
    *,
    history: History,
    progress: Progress,
    processes: Distributed,
) -> None:
    """Train to the last epoch, or until patience is over; each is measured, and the state saved."""
    saver.save()
    while not processes.broadcast(lambda: whole.done or patience.over):
        epoch = whole.run_epoch(progress=progress, on_step=saver.save_when_due, on_event=history.write)
        _write_steps(epoch, history)
        best_before = keeper.best
        keeper.consider(
            whole.average,
            stage="finetune",
            epoch=epoch.number,
            train_loss=float(np.mean(epoch.losses)),
            images_per_second=epoch.images_per_second,
        )
        patience.see(best_before, keeper.best)
        saver.save()


def _write_steps(epoch: Epoch, history: History) -> None:
    steps = zip(epoch.rates, epoch.momenta, epoch.losses, strict=True)
    history.write_all(
        "step",
        [{"epoch": epoch.number, "lr": rate, "momentum": moment, "loss": loss} for rate, moment, loss in steps],
    )


def _whole_rate(
    model: Classifier,
    data: TrainingData,
    recipe: Recipe,
    *,
    size: int,
    run: Path,
    resumed: bool,
    device: torch.device,
    images: Images,
    progress: Progress,
) -> float:
    """The rate of the second stage, which is searched where the recipe asks for it."""

    def search() -> LRFindResult:
        if resumed:
            raise FitError(f"{run / LR_FIND} with the learning rate of this run is gone; put it back, or fit anew")
        with oom_as_fit_error(device):
            return search_finetune_lr(model, data, recipe, size=size, device=device, progress=progress, images=images)

    if recipe.finetune.epochs:
        recipe = with_found_lr(recipe, "finetune", search, run=run, progress=progress)
    return recipe.finetune.lr


def require_training(recipe: Recipe, backbone: Backbone) -> None:
    """Raise RecipeError where neither stage would run, the head would never learn, or a size does not suit the body."""
    require_sizes(parse_sizes(recipe.finetune.sizes), backbone)
    if recipe.head.epochs and backbone.pretrained:
        return
    if not recipe.finetune.epochs:
        raise RecipeError(
            "nothing would be trained: finetune.epochs is 0, and the head alone is trained only on pretrained weights "
            "and with head.epochs over 0"
        )
    frozen = recipe.finetune.freeze
    if "head" in frozen_in(recipe.finetune.epochs - 1, parse_freeze(frozen)):
        raise RecipeError(
            f"the head would never learn: finetune.freeze is {frozen!r}, and a stage of its own it has only on "
            "pretrained weights and with head.epochs over 0"
        )
