"""From the options of a command line to keys of a recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from trainer.recipe import Recipe, Sizes, settings_of

_FINETUNE = "finetune."


def recipe_overrides(data: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """Translate options, of which those that were not given are None, into keys of a recipe.

    Warns about options that have no effect.

    Args:
        data: Folder or CSV of the images.
        options: Name -> value, as click gives them.
    """
    keys = {item.knob.option.replace("-", "_"): item.key for item in settings_of(Recipe()) if item.knob.option}
    given = {keys.get(name, name): value for name, value in options.items() if value is not None}
    if given.get("data.label_delimiter") == "":
        raise click.BadParameter("give the character between labels, such as ';'", param_hint="--label-delimiter")
    head_only = given.get("finetune.epochs") == 0
    if head_only:
        _warn_about([key.removeprefix(_FINETUNE) for key in given if key.startswith(_FINETUNE) and given[key]])
    if "lr" in given:
        given |= _lr_overrides(given.pop("lr"), head_only=head_only)
    if given.get("finetune.sizes"):
        given.setdefault("finetune.epochs", Sizes.parse(given["finetune.sizes"]).epochs)
    # Which images: never from a recipe file, whose own may be elsewhere.
    return {
        "name": "",
        "data.root": "",
        "data.valid": "",
        **{key: str(value.resolve()) if isinstance(value, Path) else value for key, value in given.items()},
        "data.path": str(data.resolve()),
    }


def _warn_about(unused: Sequence[str]) -> None:
    if unused:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in unused)
        click.echo(f"warning: {options}: no effect, because --epochs 0 trains only the head", err=True)


def _lr_overrides(text: str, *, head_only: bool) -> dict[str, Any]:
    """Read `auto`, `1e-3`, or `1e-5:1e-3` (from the earliest layers to the head)."""
    if text == "auto":
        return {"auto_lr": True}
    try:
        first, *rest = [float(part) for part in text.split(":")]
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is neither auto, nor a number, nor two numbers with a colon between", param_hint="--lr"
        ) from None
    if not rest:
        return {"auto_lr": False, "head.lr" if head_only else "finetune.lr": first}
    if head_only:
        raise click.BadParameter(
            f"{text!r}: with --epochs 0 only the head is trained; give one learning rate", param_hint="--lr"
        )
    if len(rest) > 1 or not 0 < first <= rest[0]:
        raise click.BadParameter(
            f"{text!r}: give the smaller learning rate, a colon, the larger one", param_hint="--lr"
        )
    return {"auto_lr": False, "finetune.lr": rest[0], "finetune.lr_spread": rest[0] / first}
