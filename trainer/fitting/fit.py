"""The two-stage recipe: the head on the frozen body, then everything; can be taken up again after any kill."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import torch

from trainer.errors import FitError, RecipeError
from trainer.fitting.data import TrainingData
from trainer.fitting.first_stage import fit_first_stage
from trainer.fitting.fitted import BEST, Fitted, best_fitted
from trainer.fitting.hardware.memory import needing_memory
from trainer.fitting.hardware.processes import ALONE, Processes
from trainer.fitting.keeper import Keeper
from trainer.fitting.patience import Patience
from trainer.fitting.progress import Progress
from trainer.fitting.rate_search.found_rate import LR_FIND, FoundRate
from trainer.fitting.rate_search.search import search_whole_rate, with_found_rate
from trainer.fitting.recipe.freezing import frozen_in, parse_freeze
from trainer.fitting.recipe.recipe import Recipe
from trainer.fitting.recipe.sizes import parse_sizes, require_sizes, training_size
from trainer.fitting.records.checkpoint import load_facts, load_state
from trainer.fitting.records.history import History
from trainer.fitting.records.tensorboard import TensorBoard
from trainer.fitting.saver import Saver
from trainer.fitting.stages.placing import place
from trainer.fitting.stages.whole_stage import Epoch, WholeTraining
from trainer.model import Backbone, Classifier
from trainer.pixels import Images

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
    processes: Processes = ALONE,
) -> Fitted:
    """Train a classifier, from the start or from where RUN/checkpoints/last.safetensors was saved.

    The best weights so far are in RUN/checkpoints/best.safetensors, what happened is in RUN/history.jsonl, and
    on the board where there is one. Of several processes the main one writes, searches rates, trains the head and
    decides when to end; features, the steps of the whole network and measuring are shared out.
    """
    history = History(run / "history.jsonl" if processes.is_main else None, board=board)
    patience = Patience(recipe.whole.patience, task=data.task)
    keeper = Keeper(run / BEST, data, history=history, device=device, progress=progress, processes=processes)
    model, images = place(backbone, data, recipe, device=device)
    processes.align(model)
    stages: dict[str, float] = {}
    resumed = processes.told((run / LAST).exists)
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
    size = training_size(backbone, recipe.whole.size_share)
    rate = processes.told(
        lambda: _whole_rate(
            model, data, recipe, size=size, run=run, resumed=resumed, device=device, images=images, progress=progress
        )
    )
    recipe = dataclasses.replace(recipe, whole=dataclasses.replace(recipe.whole, rate=rate))
    with needing_memory(device):
        whole = WholeTraining(model, data, recipe, size=size, device=device, processes=processes, images=images)
    if resumed:
        facts = processes.told(lambda: load_facts(run / LAST))
        tensors = processes.told_tensors(lambda: load_state(run / LAST)[0])
        whole.restore(tensors, facts)
        stages, keeper.best, patience.waited = facts["stages"], facts["best"], facts["waited"]
        history.cut(facts["history_bytes"])
        progress.say(f"resumed at step {facts['step']}")
    else:
        stages["whole"] = 0.0

    def rest(seconds: float) -> dict[str, Any]:
        stages["whole"] = seconds
        return {
            "stages": stages,
            "best": keeper.best,
            "waited": patience.waited,
            "history_bytes": history.length_bytes,
        }

    saver = Saver(
        run / LAST, whole, every_s=recipe.checkpoint_s, spent_s=stages["whole"], rest=rest, processes=processes
    )
    if processes.is_main and 0 < whole.step_count < _FEW_STEPS:
        progress.say(
            f"warning: only {whole.step_count} training steps; more --epochs or a smaller --batch-size may help"
        )
    try:
        _run_epochs(whole, keeper, patience, saver, history=history, progress=progress, processes=processes)
    except FitError as error:
        if not keeper.best:
            raise
        export = shlex.join(["python", "-m", "trainer", "export", str(run), "--out", "BUNDLE"])
        raise FitError(f"{error}; what was best until then: {export}") from error
    if not whole.done:
        progress.say(f"no better {patience.figure.replace('_', ' ')} for {patience.waited} epochs: training ends here")
        history.write("stop", stage="whole", epoch=whole.epochs_done, waited=patience.waited)
    history.write("stage", stage="whole", seconds=stages["whole"])
    return best_fitted(
        model, data, run=run, device=device, micro_batch=keeper.micro_batch, stages=stages, processes=processes
    )


def _run_epochs(
    whole: WholeTraining,
    keeper: Keeper,
    patience: Patience,
    saver: Saver,
    *,
    history: History,
    progress: Progress,
    processes: Processes,
) -> None:
    """Train to the last epoch, or until patience is over; each is measured, and the state saved."""
    saver.save()
    while not processes.told(lambda: whole.done or patience.over):
        epoch = whole.run_epoch(progress=progress, on_step=saver.save_when_due, on_event=history.write)
        _write_steps(epoch, history)
        best_before = keeper.best
        keeper.consider(
            whole.average,
            stage="whole",
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
        [{"epoch": epoch.number, "rate": rate, "momentum": moment, "loss": loss} for rate, moment, loss in steps],
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

    def search() -> FoundRate:
        if resumed:
            raise FitError(f"{run / LR_FIND} with the learning rate of this run is gone; put it back, or fit anew")
        with needing_memory(device):
            return search_whole_rate(model, data, recipe, size=size, device=device, progress=progress, images=images)

    if recipe.whole.epochs:
        recipe = with_found_rate(recipe, "whole", search, run=run, progress=progress)
    return recipe.whole.rate


def require_training(recipe: Recipe, backbone: Backbone) -> None:
    """Raise RecipeError where neither stage would run, the head would never learn, or a size does not suit the body."""
    require_sizes(parse_sizes(recipe.whole.sizes), backbone)
    if recipe.head.epochs and backbone.pretrained:
        return
    if not recipe.whole.epochs:
        raise RecipeError(
            "nothing would be trained: whole.epochs is 0, and the head alone is trained only on pretrained weights "
            "and with head.epochs over 0"
        )
    frozen = recipe.whole.freeze
    if "head" in frozen_in(recipe.whole.epochs - 1, parse_freeze(frozen)):
        raise RecipeError(
            f"the head would never learn: whole.freeze is {frozen!r}, and a stage of its own it has only on pretrained "
            "weights and with head.epochs over 0"
        )
