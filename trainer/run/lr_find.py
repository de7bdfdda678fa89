"""The learning rates that a fit would find, without the fit."""

from __future__ import annotations

from pathlib import Path

from trainer.recipe import Recipe
from trainer.run.environment import Environment
from trainer.run.folder import require_outside, require_room
from trainer.run.inputs import backbone_of, catalog_of, prepared_for
from trainer.training.loop import require_training
from trainer.training.lr_find.result import LR_FIND, LRFindResult, Stage, read_lr_find, write_lr_find
from trainer.training.lr_find.stages import sweep_stages

PLOT = "lr_find.png"


def find_lr(recipe: Recipe, environment: Environment, *, folder: Path | None) -> dict[Stage, LRFindResult]:
    """The learning rates that a fit of this recipe would find.

    folder  where lr_find.json and lr_find.png are written; None: nowhere

    Raises FileExistsError where one of them stands there, RunError where they would lie among the images, and whatever
    the rooms it walks through raise, each with a clear message.
    """
    if folder is not None:
        require_outside(folder, recipe)
        require_room(folder, LR_FIND.name, PLOT)
    catalog = catalog_of(recipe)
    backbone = backbone_of(recipe)
    require_training(recipe, backbone)
    data = prepared_for(catalog, backbone, recipe, environment).data
    found = sweep_stages(backbone, data, recipe, device=environment.device, progress=environment.progress)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        write_lr_find(folder / LR_FIND, found)
        plot_lr_find(folder)
    return found


def plot_lr_find(folder: Path) -> None:
    """Draw the lr_find.json of a folder beside it."""
    from trainer.report.lr_find_plot import write_lr_find_plot  # matplotlib takes a second to import

    write_lr_find_plot(folder / PLOT, read_lr_find(folder / LR_FIND))
