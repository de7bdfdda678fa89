"""Recipes that differ from the default in a few keys, as files for `trainer fit --recipe`."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.recipe import Recipe, read_recipe, recipe_to_toml

Changes = dict[str, Any]

_NEXT = r",(?=[a-z_.]+=)"  # a value such as `128:3,224:2` has a comma of its own


@dataclass(frozen=True, kw_only=True)
class ChangedRecipe:
    """The default recipe with some changes.

    Attributes:
        recipe: The whole recipe.
        name: Digest of all its values: the same for the same recipe, in whatever way it was asked for.
    """

    recipe: Recipe
    name: str

    def write(self, folder: Path) -> Path:
        """Write every key into a file of the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name}.toml"
        path.write_text(recipe_to_toml(self.recipe), encoding="utf-8")
        return path


def change_recipe(changes: Changes) -> ChangedRecipe:
    """Apply {"finetune.epochs": 12, ...} to the default recipe. Raises RecipeError if there is no such key."""
    recipe = read_recipe(None, changes)
    return ChangedRecipe(recipe=recipe, name=hashlib.sha256(recipe_to_toml(recipe).encode()).hexdigest()[:12])


def parse_changes(texts: Iterable[str]) -> Changes:
    """`finetune.lr=1e-3,seed=1`, `balance=sampler` -> {"finetune.lr": 0.001, "seed": 1, "balance": "sampler"}.

    A value is read as TOML; if it is no TOML value, it is text.
    """
    pairs = [change.partition("=") for text in texts for change in re.split(_NEXT, text)]
    return {key: _value(value) for key, _, value in pairs}


def _value(text: str) -> object:
    try:
        value: object = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    return value
