"""The page of the settings of a training, from the fields of the recipe."""

from __future__ import annotations

from docs.generate.markdown import bounds, code, codes, table, value
from trainer.recipe import GROUPS, Recipe, Setting, settings_of

_TEXT = """\
# Settings of a training

A recipe is a TOML file with these keys (`finetune.lr` is `lr` in the table `[finetune]`).
`fit --recipe FILE` reads it; RUN/recipe.toml is one, with every value. An option overrides the recipe.
"""
# One option for several keys.
_LR_OPTIONS = {"finetune.lr": "lr", "finetune.lr_spread": "lr FIRST:HEAD", "auto_lr": "lr auto"}


def recipe_page() -> str:
    """The page, Markdown."""
    lines = [_TEXT]
    for group in GROUPS:
        rows = [_row(item) for item in settings_of(Recipe()) if item.knob.group == group]
        lines += [f"## {group}", "", *table(("key", "option", "default", "values", "what it does"), rows)]
    return "\n".join(lines)


def _row(item: Setting) -> tuple[str, str, str, str, str]:
    name = item.knob.option or _LR_OPTIONS.get(item.key, "")
    return code(item.key), code(f"--{name}") if name else "", _default(item), _values(item), item.knob.help


def _default(item: Setting) -> str:
    if item.knob.default_text:
        return value(item.knob.default_text)
    return code(str(item.default).lower() if type(item.default) is bool else item.default)


def _values(item: Setting) -> str:
    knob = item.knob
    if knob.choices:
        return codes(knob.choices)
    if type(item.default) is bool:
        return codes(("true", "false"))
    return ("0, or " if knob.accepts_zero else "") + bounds(knob.low, knob.high)
