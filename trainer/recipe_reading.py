"""Recipes from TOML files and the command line."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainer.errors import RecipeError
from trainer.recipe import Recipe


def read_recipe(path: Path | None, overrides: Mapping[str, Any]) -> Recipe:
    """The recipe of a TOML file (or every default), with `overrides` ("head.epochs": 3) laid over it.

    Raises RecipeError where the file cannot be read, or a key or its type is unknown.
    """
    values: dict[str, Any] = {}
    if path is not None:
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise RecipeError(f"the recipe {path} cannot be read: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise RecipeError(f"the recipe {path} is not TOML: {error}") from error
    for name, value in overrides.items():
        table, _, key = name.rpartition(".")
        inner = values.setdefault(table, {}) if table else values
        if not isinstance(inner, dict):
            raise RecipeError(f"{table} is a table, not {inner!r}")
        inner[key] = value
    try:
        recipe: Recipe = _build(Recipe, values, "")
    except (ValueError, OverflowError) as error:
        raise RecipeError(str(error)) from error
    return recipe


def _build(kind: Any, values: Mapping[str, Any], prefix: str) -> Any:
    """A (nested) dataclass from a mapping, each value of its default's type."""
    known = {item.name: item for item in dataclasses.fields(kind)}
    arguments: dict[str, Any] = {}
    defaults = kind()
    for name, value in values.items():
        if name not in known:
            raise RecipeError(
                f"there is no key {prefix}{name}; the keys are {', '.join(prefix + key for key in known)}"
            )
        default = getattr(defaults, name)
        if dataclasses.is_dataclass(default):
            if not isinstance(value, Mapping):
                raise RecipeError(f"{prefix}{name} is a table, not {value!r}")
            arguments[name] = _build(type(default), value, f"{prefix}{name}.")
        else:
            arguments[name] = _typed(value, default, prefix + name)
    return kind(**arguments)


def _typed(value: Any, default: object, name: str) -> object:
    if isinstance(default, float) and type(value) is int:
        return float(value)
    if type(value) is not type(default):
        raise RecipeError(f"{name} is {value!r}, not a {type(default).__name__}")
    return value
