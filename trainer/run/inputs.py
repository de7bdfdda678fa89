"""What a recipe names: the backbone, the images, both decoded."""

from __future__ import annotations

from pathlib import Path

from trainer.catalog import Catalog, read_catalog
from trainer.fitting import Prepared, Recipe, prepare
from trainer.model import Backbone, load_backbone
from trainer.run.environment import Environment


def backbone_of(recipe: Recipe) -> Backbone:
    """The backbone, in the size and with the weights that are asked for; raises what `load_backbone` does."""
    return load_backbone(recipe.backbone, size=recipe.size or None, weights=recipe.weights, seed=recipe.seed)


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
        group_column=data.group_column or None,
        valid_share=recipe.valid_share,
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
