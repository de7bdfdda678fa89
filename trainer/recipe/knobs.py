"""One setting of a recipe: default, bounds, help, group and option, all in the field that holds it.

The check of a recipe file, the options of the command line and the reference table are made from these fields, so that
a new setting is one new field and the code that reads it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

from trainer.errors import RecipeError

_METADATA_KEY = "knob"
_TYPE_NAMES = {int: "a whole number", float: "a number", bool: "true or false"}


@dataclass(frozen=True, kw_only=True)
class Knob:
    """What a recipe says about one setting, beside its name and default.

    Attributes:
        help: What it does, one line.
        group: Heading under which it is listed.
        option: Name of the option of the command line, without dashes; empty if only a recipe file can set it.
        low: Smallest value of a number.
        high: Largest value of a number.
        accepts_zero: Whether 0 is accepted below `low`: it stands for a default that is found out later.
        choices: The only values of a text.
        default_text: What the default means, if its value does not say it.
        is_path: Whether it names a file or folder.
        only_fit: Whether the option has no meaning for `lr-find`.
    """

    help: str
    group: str
    option: str = ""
    low: float = -math.inf
    high: float = math.inf
    accepts_zero: bool = False
    choices: tuple[str, ...] = ()
    default_text: str = ""
    is_path: bool = False
    only_fit: bool = False


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A knob with its place in the recipe.

    Attributes:
        key: As in a recipe file: `finetune.lr`.
        default: Its default value, whose type is the setting's type.
        knob: Everything else.
    """

    key: str
    default: Any
    knob: Knob


def knob(default: Any, help: str, *, group: str, **rules: Any) -> Any:  # noqa: A002  (click calls it help, too)
    """Declare a field of a recipe. `rules` are the other attributes of `Knob`."""
    return dataclasses.field(default=default, metadata={_METADATA_KEY: Knob(help=help, group=group, **rules)})


def section(kind: type) -> Any:
    """Declare a field that holds a section of a recipe: a dataclass of knobs, one table of the file."""
    return dataclasses.field(default_factory=kind)


def settings_of(recipe: Any, prefix: str = "") -> Iterator[Setting]:
    """Every setting of a recipe or section, in order, with the values of this instance as defaults."""
    for field in dataclasses.fields(recipe):
        value = getattr(recipe, field.name)
        found = field.metadata.get(_METADATA_KEY)
        if found is not None:
            yield Setting(key=prefix + field.name, default=value, knob=found)
        else:
            yield from settings_of(value, f"{prefix}{field.name}.")


def check_settings(recipe: Any, prefix: str = "") -> None:
    """Check the bounds and choices of one section, not of the sections inside it.

    Raises:
        RecipeError: A value is out of bounds. The message names its key.
    """
    for field in dataclasses.fields(recipe):
        rules: Knob | None = field.metadata.get(_METADATA_KEY)
        if rules is None:
            continue
        key, value = prefix + field.name, getattr(recipe, field.name)
        if rules.choices and value not in rules.choices:
            raise RecipeError(f"{key} is {value!r}; it must be one of {', '.join(rules.choices)}")
        if type(value) not in (int, float) or (rules.accepts_zero and value == 0):
            continue
        if not rules.low <= value <= rules.high:  # NaN fails too
            raise RecipeError(f"{key} is {value}; it must be from {_number(rules.low)} to {_number(rules.high)}")


def build_section(kind: Any, values: Mapping[str, Any], prefix: str = "") -> Any:
    """Build a recipe or section from nested values, as TOML gives them.

    A whole number is accepted for a float, and a text for a type that has a `parse`.

    Raises:
        RecipeError: A key is unknown, or a value has the wrong type or is out of bounds.
    """
    defaults = kind()
    known = {field.name: getattr(defaults, field.name) for field in dataclasses.fields(kind)}
    arguments: dict[str, Any] = {}
    for name, value in values.items():
        key = prefix + name
        if name not in known:
            raise RecipeError(f"there is no key {key}; the keys are {', '.join(prefix + other for other in known)}")
        default = known[name]
        if _is_section(default):
            if not isinstance(value, Mapping):
                raise RecipeError(f"{key} is a table, not {value!r}")
            arguments[name] = build_section(type(default), value, f"{key}.")
        else:
            arguments[name] = _as_type_of(default, value, key)
    return kind(**arguments)


def to_plain(recipe: Any) -> dict[str, Any]:
    """The recipe as nested values that TOML and JSON can hold."""
    return {field.name: _plain(getattr(recipe, field.name)) for field in dataclasses.fields(recipe)}


def _number(value: float) -> str:
    """A bound as people write it: 10000, 1e-09."""
    return str(int(value)) if float(value).is_integer() else f"{value:g}"


def _plain(value: Any) -> Any:
    if _is_section(value):
        return to_plain(value)
    return value if type(value) in (str, int, float, bool) else str(value)


def _is_section(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and not hasattr(value, "parse")


def _as_type_of(default: Any, value: Any, key: str) -> Any:
    """The value in the type of the default: also numbers of NumPy, and whole numbers that are written as 5.0."""
    kind = type(default)
    if hasattr(kind, "parse") and type(value) is str:
        return kind.parse(value)
    if type(value) is kind:
        return value
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if kind is float and is_number:
        return float(value)
    if kind is int and is_number and float(value).is_integer():
        return int(value)
    raise RecipeError(f"{key} is {value!r}; it must be {_TYPE_NAMES.get(kind, 'text')}")
