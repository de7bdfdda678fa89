"""What a recipe names: the backbone, the images, both decoded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from trainer.catalog import Catalog, Columns, read_catalog
from trainer.data.prepare import Prepared, prepare
from trainer.model import Backbone, load_backbone
from trainer.model.backbones import RANDOM, is_pretrained
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
    backbone = load_backbone(recipe.backbone, size=recipe.size or None, weights=RANDOM)
    return replace(backbone, pretrained=is_pretrained(recipe.backbone, recipe.weights))


def catalog_of(recipe: Recipe) -> Catalog:
    """The images as they are now; raises CatalogError."""
    data = recipe.data
    return read_catalog(
        Path(data.path),
        valid=Path(data.valid) if data.valid else None,
        root=Path(data.root) if data.root else None,
        columns=Columns(
            path=data.path_column,
            label=data.label_column,
            label_delimiter=data.label_delimiter or None,
            coarse=data.coarse_column or None,
        ),
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
        pixels=backbone.pixels,
        seed=recipe.seed,
        cache=environment.cache,
        threads=environment.threads,
        progress=environment.progress,
        hashed=hashed,
    )
