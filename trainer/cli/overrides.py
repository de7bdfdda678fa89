"""Options of the command line as keys of a recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click


def recipe_keys(data: Path, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were given, under the recipe's names; those that count for nothing are told of."""
    names = {
        "valid": "data.valid",
        "root": "data.root",
        "path_column": "data.path_column",
        "label_column": "data.label_column",
        "label_delimiter": "data.label_delimiter",
        "coarse_column": "data.coarse_column",
        "epochs": "finetune.epochs",
        "head_epochs": "head.epochs",
        "batch_size": "finetune.batch_size",
        **{
            option: f"finetune.{option}"
            for option in (
                "sizes",
                "freeze",
                "mixup",
                "cutmix",
                "patience",
                "clip_norm",
                "accumulate",
                "compile",
            )
        },
    }
    given = {names.get(option, option): value for option, value in asked.items() if value is not None}
    if given.get("data.label_delimiter") == "":
        raise click.BadParameter("give the character between labels, such as ';'", param_hint="--label-delimiter")
    head_only = given.get("finetune.epochs") == 0
    if head_only:
        _warn_of([name.removeprefix("finetune.") for name in given if name.startswith("finetune.") and given[name]])
    if "lr" in given:
        given |= _rates(given.pop("lr"), head_only=head_only)
    if given.get("finetune.sizes"):
        from trainer.training.sizes import parse_sizes

        given.setdefault("finetune.epochs", len(parse_sizes(given["finetune.sizes"])))
    # Which images: never from a recipe file, whose own may lie elsewhere.
    return {
        "name": "",
        "data.root": "",
        "data.valid": "",
        **{name: str(value.resolve()) if isinstance(value, Path) else value for name, value in given.items()},
        "data.path": str(data.resolve()),
    }


def _warn_of(unused: Sequence[str]) -> None:
    if unused:
        told = ", ".join(f"--{name.replace('_', '-')}" for name in unused)
        click.echo(f"warning: {told}: of no effect, as --epochs 0 trains the head only", err=True)


def _rates(text: str, *, head_only: bool) -> dict[str, Any]:
    """`auto`, `1e-3`, or `1e-5:1e-3`: from the earliest layers to the head."""
    if text == "auto":
        return {"auto_lr": True}
    try:
        first, *rest = [float(part) for part in text.split(":")]
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is neither auto nor a number nor two with a colon between", param_hint="--lr"
        ) from None
    if not rest:
        return {"auto_lr": False, "head.lr" if head_only else "finetune.lr": first}
    if head_only:
        raise click.BadParameter(f"{text!r}: with --epochs 0 the head alone learns; give one rate", param_hint="--lr")
    if len(rest) > 1 or not 0 < first <= rest[0]:
        raise click.BadParameter(f"{text!r}: give the smaller rate, a colon, the larger rate", param_hint="--lr")
    return {"auto_lr": False, "finetune.lr": rest[0], "finetune.lr_spread": rest[0] / first}
