"""What a recipe names: the backbone, the images, both decoded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from trainer.catalog import Catalog, read_catalog
from trainer.data import Decoding, Prepared, prepare
from trainer.model import RANDOM_WEIGHTS, Backbone, is_pretrained, load_backbone
from trainer.recipe import Recipe
from trainer.run.environment import Environment
from trainer.training.loop import LAST


def backbone_of(recipe: Recipe) -> Backbone:
    """The backbone, in the size and with the weights that are asked for; raises what `load_backbone` does."""
    return load_backbone(recipe.backbone, size=recipe.size or None, weights=recipe.weights, seed=recipe.seed)


def backbone_of_run(recipe: Recipe, run: Path) -> Backbone:
    """The same for a run that was begun: once it has a state to go on from, without what its weights came from.

    Raises what `load_backbone` does.
    """
    if not (run / LAST).exists():
        return backbone_of(recipe)
    backbone = load_backbone(recipe.backbone, size=recipe.size or None, weights=RANDOM_WEIGHTS)
    return replace(backbone, pretrained=is_pretrained(recipe.backbone, recipe.weights))


def catalog_of(recipe: Recipe) -> Catalog:
    """The images as they are now; raises CatalogError."""
    data = recipe.data
    return read_catalog(
        Path(data.path),
        valid=Path(data.valid) if data.valid else None,
        root=Path(data.root) if data.root else None,
        path_column=data.path_column,
        label_column=data.label_column,
        label_delimiter=data.label_delimiter or None,
        coarse_column=data.coarse_column or None,
        valid_fraction=recipe.valid_fraction,
        seed=recipe.seed,
    )


def prepared_for(
    catalog: Catalog, backbone: Backbone, recipe: Recipe, environment: Environment, *, hashed: bool = False
) -> Prepared:
    """The images, checked and decoded; raises what `prepare` does.

    hashed  whether the catalog's hashes are those of now
    """
    return prepare(
        catalog,
        backbone.pixels,
        seed=recipe.seed,
        decoding=Decoding(environment.cache, environment.threads, environment.progress),
        hashed=hashed,
    )
