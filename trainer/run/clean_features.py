"""Features for `clean`, where there are none: of images that nothing was trained on, and of runs of older versions."""

from __future__ import annotations

import os
from pathlib import Path

from trainer.catalog import Catalog
from trainer.errors import RunError
from trainer.recipe import Recipe
from trainer.run.environment import Environment
from trainer.run.features import compute_features
from trainer.run.folder import RunFolder, name_of_images
from trainer.run.inputs import (
    complete_recipe,
    load_recipe_backbone,
    prepare_images,
    read_recipe_catalog,
    report_catalog,
)
from trainer.wording import counted


def prepare_cleaning(recipe: Recipe, out: Path, environment: Environment) -> RunFolder:
    """Read images that nothing was trained on, and compute their features: OUT gets recipe.toml, catalog.csv and
    features.npy. If OUT has them already and the images are the same, nothing is done.

    Args:
        recipe: Names the images and the network.
        out: A new folder, or one of an earlier call.
        environment: Where.

    Raises:
        RunError: OUT is something else, of other images, or among the images.
        TrainerError: The images or the network cannot be used.
    """
    run = RunFolder(out)
    run.require_outside(recipe.data.path, recipe.data.valid)
    catalog = read_recipe_catalog(recipe)
    recipe = complete_recipe(recipe, catalog, name=name_of_images(Path(recipe.data.path)))
    if os.path.lexists(out):
        _require_same_data(run, recipe)
    else:
        run.create(recipe)
    with run.locked():
        run.remove_partial_files()
        if run.catalog.exists() and not _is_up_to_date(run, recipe, catalog, environment):
            for file in (run.catalog, run.features, run.unreadable):
                file.unlink(missing_ok=True)
        if run.catalog.exists() and run.features.exists():
            return run
        backbone = load_recipe_backbone(recipe)
        report_catalog(catalog, recipe, environment.progress)
        prepared = prepare_images(catalog, backbone, recipe, environment)
        if not run.catalog.exists():
            run.write_prepared(prepared)
        compute_features(run, recipe, backbone, prepared, environment)
    return run


def add_features(path: Path, environment: Environment, *, root: Path | None) -> None:
    """Compute features.npy of a run whose network was pretrained.

    Args:
        path: RUN.
        environment: Where.
        root: Folder of the images, if they were moved.

    Raises:
        RunError: Its images have changed.
        TrainerError: The images or the network cannot be used.
    """
    run = RunFolder(path)
    recipe = run.read_recipe()
    run.require(run.catalog)
    catalog = run.read_catalog(recipe, root)
    environment.progress.info(f"{run} has no features.npy: they are computed now, once")
    backbone = load_recipe_backbone(recipe)
    prepared = prepare_images(catalog, backbone, recipe, environment)
    run.require_unchanged(catalog.rows, prepared.catalog.rows)
    compute_features(run, recipe, backbone, prepared, environment)


def _require_same_data(run: RunFolder, recipe: Recipe) -> None:
    before = run.read_recipe()
    if run.history.exists() or run.bundle.exists():
        raise RunError(f"{run} is a run; clean it with `clean({str(run)!r})`, or give another folder for `out`")
    if before.data.path != recipe.data.path:
        raise RunError(f"{run} is of {before.data.path}, not of {recipe.data.path}; give another folder for `out`")


def _is_up_to_date(run: RunFolder, recipe: Recipe, catalog: Catalog, environment: Environment) -> bool:
    """Whether the images are those that are in catalog.csv; what is new or gone is reported."""
    before = {(row.path, row.labels) for row in run.read_catalog(run.read_recipe(), None, must_exist=False).rows}
    left_out = {row.path for row in run.read_unreadable(recipe)}
    now = {(row.path, row.labels) for row in catalog.rows if row.path not in left_out}
    if now == before:
        return True
    environment.progress.info(
        f"{counted(len(now - before), 'new image')}, and {len(before - now):,} that "
        f"{'is' if len(before - now) == 1 else 'are'} gone, since {run} was made: all are read again, and what was "
        "decided is kept"
    )
    return False
