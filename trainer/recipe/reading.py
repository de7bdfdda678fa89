"""Recipes from TOML files and options, and back."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainer.errors import RecipeError
from trainer.recipe.knobs import build_section, to_plain
from trainer.recipe.recipe import Recipe


def read_recipe(source: Recipe | Path | None, overrides: Mapping[str, Any]) -> Recipe:
    """Read a recipe file, or take a recipe or every default, and apply `overrides` to it.

    Args:
        source: TOML file, or a recipe; None for the defaults.
        overrides: Key -> value, such as {"head.epochs": 3}; they replace what the file says.

    Raises:
        RecipeError: The file cannot be read, a key is unknown, or a value has the wrong type or is out of bounds.
    """
    values = to_plain(source) if isinstance(source, Recipe) else _read_toml(source) if source else {}
    for key, value in overrides.items():
        table, _, name = key.rpartition(".")
        inner = values.setdefault(table, {}) if table else values
        if not isinstance(inner, dict):
            raise RecipeError(f"{table} is a table, not {inner!r}")
        inner[name] = value
    try:
        recipe: Recipe = build_section(Recipe, values)
    except (ValueError, OverflowError) as error:  # a number too large for a float
        raise RecipeError(str(error)) from error
    return recipe


def recipe_to_toml(recipe: Recipe) -> str:
    """Every key, as a TOML file that `read_recipe` reads."""
    import tomli_w  # only the trainer's extra has it, and help and wrong options must work without

    return tomli_w.dumps(to_plain(recipe))


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"the recipe {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"the recipe {path} is not TOML: {error}") from error
