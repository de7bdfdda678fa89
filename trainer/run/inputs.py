"""What a recipe names: the backbone, the images, and both decoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from trainer.catalog import COARSE_COLUMN, Catalog, Columns, ReadOptions, read_catalog
from trainer.data import Prepared, prepare
from trainer.model import Backbone, load_backbone
from trainer.model.backbones import is_pretrained
from trainer.progress import Progress
from trainer.recipe import PRETRAINED, RANDOM_WEIGHTS, SIMILAR, DataSource, Recipe
from trainer.run.environment import Environment
from trainer.run.folder import RunFolder
from trainer.run.similar import group_similar

_PATTERN_EXAMPLES = 10


def load_recipe_backbone(recipe: Recipe) -> Backbone:
    """Load the backbone in the size and with the weights that the recipe asks for; raises what `load_backbone` does."""
    return load_backbone(recipe.backbone, size=recipe.size or None, weights=recipe.weights, seed=recipe.seed)


def load_run_backbone(recipe: Recipe, run: RunFolder) -> Backbone:
    """The same for a run that was started: once it has a checkpoint, the file of its first weights is not needed."""
    if not run.last.exists():
        return load_recipe_backbone(recipe)
    backbone = load_backbone(recipe.backbone, size=recipe.size or None, weights=RANDOM_WEIGHTS)
    return replace(backbone, pretrained=is_pretrained(recipe.backbone, recipe.weights))


def complete_recipe(recipe: Recipe, catalog: Catalog, *, name: str) -> Recipe:
    """Return the recipe with what was found out when its images were read.

    Args:
        recipe: What was asked for.
        catalog: The images.
        name: Of the run, if the recipe gives none.
    """
    return replace(
        recipe,
        name=recipe.name or name,
        weights=_absolute_weights(recipe.weights),
        data=replace(
            recipe.data,
            source=catalog.source,
            labelled_by=catalog.labelled_by,
            base=str(catalog.root),
            drawn=catalog.drawn is not None,
            label_delimiter=catalog.label_delimiter or "",
        ),
    )


def read_recipe_catalog(recipe: Recipe) -> Catalog:
    """Read the images as they are now; raises CatalogError."""
    data = recipe.data
    return read_catalog(Path(data.path), read_options(recipe), valid=Path(data.valid) if data.valid else None)


def read_options(recipe: Recipe) -> ReadOptions:
    """How the images of a recipe are read; raises CatalogError if its settings contradict each other."""
    data = recipe.data
    return ReadOptions(
        root=Path(data.root) if data.root else None,
        columns=Columns(
            path=data.path_column,
            label=data.label_column,
            label_delimiter=data.label_delimiter or None,
            coarse=data.coarse_column or None,
            suffix=data.suffix,
        ),
        class_level=data.class_level,
        pattern=data.pattern,
        any_suffix=data.any_suffix,
        merge_labels=data.merge_labels,
        split=data.split,
        valid_list=Path(data.valid_list) if data.valid_list else None,
        group_by=data.group_by,
        valid_fraction=recipe.valid_fraction,
        seed=recipe.seed,
    )


def reading_overrides(options: object) -> dict[str, Any]:
    """Those of the options of a job on other images that say how these are read, if they were given."""
    names = ("path_column", "label_column", "suffix", "class_level", "pattern", "any_suffix")
    return {name: value for name in names if (value := getattr(options, name))}


def other_read_options(recipe: Recipe, *, root: Path | None, overrides: Mapping[str, Any]) -> ReadOptions:
    """How images are read that are not those of a run: as those, but for what is asked.

    Args:
        recipe: Of the run.
        root: Folder that the paths in a table start from; None: its own.
        overrides: Field of `DataSource` -> value.

    Raises:
        CatalogError: The settings contradict each other.
    """
    if overrides.get("pattern") or overrides.get("class_level"):  # one of them takes the place of the other
        overrides = {"pattern": "", "class_level": 0, **overrides}
    return read_options(replace(recipe, data=replace(recipe.data, root=str(root or ""), **overrides)))


def report_catalog(catalog: Catalog, recipe: Recipe, progress: Progress) -> None:
    """Show what was read in one line, and what a pattern for labels gives on ten images."""
    progress.info(catalog.summary)
    if recipe.data.pattern:
        for path, label in catalog.label_examples(_PATTERN_EXAMPLES):
            progress.info(f"  {path} -> {label}")


def source_of(catalog: Catalog, run: RunFolder) -> DataSource:
    """How the images of a catalog that was made in memory are read again: from the table that the run writes.

    Images that are evaluated later are read as the catalog was.
    """
    reading = catalog.reading or ReadOptions()
    return DataSource(
        path=str(run.catalog.resolve()),
        root=str(catalog.root),
        label_delimiter=catalog.label_delimiter or "",
        coarse_column=COARSE_COLUMN if catalog.coarse_labels else "",
        suffix=reading.columns.suffix,
        class_level=reading.class_level,
        pattern=reading.pattern,
        any_suffix=reading.any_suffix,
        merge_labels=reading.merge_labels,
        split="none" if catalog.without_validation else "auto",
        group_by=SIMILAR if reading.group_by == SIMILAR else "",
    )


def prepare_images(
    catalog: Catalog, backbone: Backbone, recipe: Recipe, environment: Environment, *, hashed: bool = False
) -> Prepared:
    """Check and decode the images; raises what `prepare` does.

    Args:
        catalog: The images.
        backbone: Decides their size.
        recipe: Gives the seed, and how many images may be undecodable.
        environment: Where decoded images are kept.
        hashed: Whether the catalog's hashes are those of now.
    """
    if recipe.data.group_by == SIMILAR and catalog.drawn is not None:
        catalog = group_similar(catalog, backbone.pixels, environment)
    return prepare(
        catalog,
        backbone.pixels,
        seed=recipe.seed,
        decoding=environment.decoding,
        hashed=hashed,
        allow_broken=recipe.allow_broken,
    )


def _absolute_weights(weights: str) -> str:
    return weights if weights in (PRETRAINED, RANDOM_WEIGHTS) else str(Path(weights).resolve())
