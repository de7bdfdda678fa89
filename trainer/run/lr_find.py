"""The learning rates that a training would find, without the training."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from trainer.catalog import Catalog
from trainer.data import TrainingData
from trainer.model import Backbone
from trainer.recipe import Recipe
from trainer.run.environment import Environment
from trainer.run.folder import RunFolder, require_free
from trainer.run.inputs import load_recipe_backbone, prepare_images, read_recipe_catalog, report_catalog
from trainer.training.head import extract_features, fit_head
from trainer.training.history import History
from trainer.training.loop import build_on_device
from trainer.training.lr_find.result import LRFindResult, Stage, read_lr_find, write_lr_find
from trainer.training.lr_find.search import find_finetune_lr, find_head_lr
from trainer.training.phases import for_backbone, require_trainable, trains_head


def find_lr(
    recipe: Recipe, environment: Environment, *, out: Path | None, catalog: Catalog | None = None
) -> dict[Stage, LRFindResult]:
    """Find the learning rates that a training with this recipe would find.

    Args:
        recipe: What to train.
        environment: Where.
        out: Folder for lr_find.json and lr_find.png; None: they are not written.
        catalog: The images, if they are not those of the recipe.

    Raises:
        FileExistsError: One of these files exists.
        RunError: They would be among the images.
        TrainerError: The images, the backbone or the recipe cannot be used.
    """
    folder = RunFolder(out) if out is not None else None
    if folder is not None:
        searched = (recipe.data.path, recipe.data.valid) if catalog is None else (str(catalog.folder or ""),)
        folder.require_outside(*searched)
        require_free(folder.lr_find, folder.lr_find_plot)
    catalog = catalog or read_recipe_catalog(recipe)
    report_catalog(catalog, recipe, environment.progress)
    backbone = load_recipe_backbone(recipe)
    require_trainable(recipe, backbone)
    prepared = prepare_images(catalog, backbone, recipe, environment)
    for warning in (*prepared.catalog.warnings, *prepared.warnings):
        environment.progress.warn(warning)
    found = _sweep_stages(backbone, prepared.data, recipe, environment)
    if folder is not None:
        folder.path.mkdir(parents=True, exist_ok=True)
        write_lr_find(folder.lr_find, found)
        plot_lr_find(folder)
    return found


def plot_lr_find(folder: RunFolder) -> None:
    """Draw lr_find.json of a folder as lr_find.png."""
    from trainer.report.lr_find_plot import write_lr_find_plot  # matplotlib takes a second to import

    write_lr_find_plot(folder.lr_find_plot, read_lr_find(folder.lr_find))


def _sweep_stages(
    backbone: Backbone, data: TrainingData, recipe: Recipe, environment: Environment
) -> dict[Stage, LRFindResult]:
    """Sweep each stage of the recipe. Fine-tuning is swept after the head was trained with what was found for it."""
    recipe = for_backbone(recipe, backbone)
    model = build_on_device(backbone, data, recipe, environment.device)
    session = environment.open_session(data, History(None))
    found: dict[Stage, LRFindResult] = {}
    if trains_head(recipe, backbone):
        features = extract_features(model, data, recipe, session)
        found["head"] = find_head_lr(model, features, data, recipe, session)
        head = dataclasses.replace(recipe.head, lr=found["head"].suggestion)
        fit_head(model, features, data, dataclasses.replace(recipe, head=head), session)
    if recipe.finetune.epochs:
        found["finetune"] = find_finetune_lr(model, data, recipe, session)
    return found
