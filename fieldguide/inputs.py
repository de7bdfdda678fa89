"""What the calls that train have in common: images, a recipe, options."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fieldguide.paths import StrPath
from trainer.catalog import Catalog
from trainer.recipe import Recipe, apply_options, option_keys, settings_of


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Images and what to do with them, before the options are applied.

    Attributes:
        images: Folder or CSV, or a catalog.
        recipe: A recipe, a file of one, or None for every default.
        options: Option -> value.
    """

    images: Path | Catalog
    recipe: Recipe | Path | None
    options: Mapping[str, Any]

    @property
    def catalog(self) -> Catalog | None:
        """The catalog, if one was given."""
        return self.images if isinstance(self.images, Catalog) else None

    def complete_recipe(self, warn: Callable[[str], None]) -> Recipe:
        """The recipe with the options; raises what `apply_options` does."""
        source = self.images.root if isinstance(self.images, Catalog) else self.images
        return apply_options(self.recipe, source, self.options, warn=warn)


def read_inputs(
    data: StrPath | Catalog,
    recipe: Recipe | StrPath | None,
    options: Mapping[str, Any],
    *,
    trains: bool = True,
    only_reading: bool = False,
) -> Inputs:
    """Check the arguments of a call.

    Args:
        data: A folder, a CSV, or a catalog.
        recipe: A recipe, or a TOML file of one; None: every default.
        options: Those of `fit`.
        trains: Whether the call trains. If not, options that matter only to a training are refused.
        only_reading: Whether only the options that say how images are read have an effect. Others are refused.

    Raises:
        TypeError: An argument is something else, or an option has no effect here.
    """
    if not isinstance(data, (str, os.PathLike, Catalog)):
        raise TypeError(
            f"`data` is a {type(data).__name__}; give a folder, a CSV, or a catalog: "
            "read_catalog(paths=..., labels=...)"
        )
    if recipe is not None and not isinstance(recipe, (str, os.PathLike, Recipe)):
        raise TypeError(f"`recipe` is a {type(recipe).__name__}; give a Recipe, or the path of a TOML file")
    given = [name for name, value in options.items() if value is not None]
    if isinstance(data, Catalog):
        _refuse(given, _reading_options(), "says how images are read; give it to read_catalog")
    if not trains:
        _refuse(given, _training_options(), "matters only to a training; leave it out")
    if only_reading:
        _refuse(given, {"lr", *option_keys()} - _reading_options(), "does not say how images are read; leave it out")
    return Inputs(
        images=data if isinstance(data, Catalog) else Path(data),
        recipe=recipe if recipe is None or isinstance(recipe, Recipe) else Path(recipe),
        options=options,
    )


def _refuse(given: list[str], refused: set[str], why: str) -> None:
    for name in given:
        if name in refused:
            raise TypeError(f"`{name}` {why}")


def _reading_options() -> set[str]:
    return {name for name, key in option_keys().items() if key.startswith("data.") or key == "valid_fraction"}


def _training_options() -> set[str]:
    only_fit = {item.key for item in settings_of(Recipe()) if item.knob.only_fit}
    return {"lr", *(name for name, key in option_keys().items() if key in only_fit)}
