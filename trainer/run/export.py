"""A bundle from the best weights of a run."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from service.bundle import Bundle
from trainer.data import Decoding, prepare_validation
from trainer.export import Exportable, export_bundle
from trainer.model import RANDOM_WEIGHTS, Classifier, load_backbone
from trainer.run.environment import Environment
from trainer.run.folder import own_catalog, read_unreadable, recipe_of, require_parts, require_unchanged
from trainer.training.checkpoint import load_facts, load_weights
from trainer.training.loop import LAST
from trainer.training.result import BEST


def export_run(
    run: Path, target: Path, environment: Environment, *, root: Path | None, name: str, version: str, golden: str
) -> Bundle:
    """Write a bundle from the best weights of a run.

    root          where the images are now, if they were moved
    name, golden  empty: those of the run

    Raises RunError where the run has no weights or its validation images have changed, CatalogError where the images
    are not there any more.
    """
    recipe = recipe_of(run)
    require_parts(run, "catalog.csv", BEST, LAST)
    catalog = own_catalog(run, recipe, root)
    backbone = load_backbone(recipe.backbone, size=recipe.size or None, weights=RANDOM_WEIGHTS)  # the run has its own
    hashed, valid = prepare_validation(
        catalog,
        backbone.pixels,
        decoding=Decoding(environment.cache, environment.threads, environment.progress),
    )
    require_unchanged(run, catalog.split("valid"), hashed)
    classifier = Classifier(backbone, class_count=len(catalog.classes), dropout=recipe.dropout)
    load_weights(classifier, run / BEST)
    trained = Exportable(
        classifier=classifier,
        pixels=backbone.pixels,
        catalog=catalog,
        valid=valid,
        recipe=dataclasses.replace(recipe, name=name or recipe.name, golden=golden or recipe.golden),
        unreadable_count=len(read_unreadable(run, recipe)),
        head_trained="head" in load_facts(run / LAST)["stages"],
    )
    return export_bundle(trained, target, version=version, threads=environment.threads, progress=environment.progress)
