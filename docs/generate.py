"""Writes docs/reference.md: every setting of both programs, from the code that defines them.

`make docs` runs it; a test checks that the page is up to date.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from service.settings import all_settings
from trainer.recipe import GROUPS, Recipe, Setting, settings_of

PAGE = Path(__file__).with_name("reference.md")
# One option for several keys.
_LR_OPTIONS = {"finetune.lr": "lr", "finetune.lr_spread": "lr FIRST:HEAD", "auto_lr": "lr auto"}


def reference() -> str:
    """The page, Markdown."""
    lines = [
        "# Reference",
        "",
        "Made from the code by `make docs`; do not edit it here.",
        "",
        "## Settings of a training",
        "",
        "A recipe is a TOML file with these keys (`finetune.lr` is `lr` in the table `[finetune]`).",
        "`fit --recipe FILE` reads it; RUN/recipe.toml is one, with every value. An option overrides the recipe.",
        "",
        *_training_settings(),
        "## Settings of the service",
        "",
        "Each is a flag of `serve` and an environment variable; the flag wins.",
        "",
        *_service_settings(),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _training_settings() -> Iterator[str]:
    settings = list(settings_of(Recipe()))
    for group in GROUPS:
        yield from (f"### {group}", "", "| key | option | default | what it does |", "|---|---|---|---|")
        for item in settings:
            if item.knob.group == group:
                name = item.knob.option or _LR_OPTIONS.get(item.key, "")
                option = f"`--{name}`" if name else ""
                yield f"| `{item.key}` | {option} | {_default(item)} | {_cell(item.knob.help)} |"
        yield ""


def _service_settings() -> Iterator[str]:
    yield from ("| flag | variable | default | what it is |", "|---|---|---|---|")
    for setting in all_settings():
        flag = "" if setting.secret else f"`{setting.flag}`"
        default = f"`{setting.default}`" if setting.default != "" else ""
        yield f"| {flag} | `{setting.variable}` | {default} | {_cell(setting.help)} |"


def _default(item: Setting) -> str:
    if item.knob.default_text:
        return _cell(item.knob.default_text)
    text = str(item.default).lower() if type(item.default) is bool else str(item.default)
    return f"`{text}`" if text else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
