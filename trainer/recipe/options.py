"""From the options of `fit` and `lr_find`, under their names in Python, to a recipe."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from trainer.errors import RecipeError
from trainer.recipe.knobs import settings_of
from trainer.recipe.reading import read_recipe
from trainer.recipe.recipe import Recipe
from trainer.recipe.schedules import Sizes

_FINETUNE = "finetune."
# A key in a message. One without a dot may be a common word: it is a key only at the start.
_KEY = re.compile(r"(?<![\w\x60./])[a-z_]+\.[a-z_]+(?![\w\x60./])|^[a-z_]+(?= is )")
# What other libraries call an option -> its name here.
SYNONYMS = {
    **dict.fromkeys(("learning_rate", "max_lr", "base_lr"), "lr"),
    **dict.fromkeys(("bs", "batchsize"), "batch_size"),
    **dict.fromkeys(("arch", "model", "model_name", "architecture"), "backbone"),
    **dict.fromkeys(("n_epoch", "n_epochs", "num_epochs", "max_epochs"), "epochs"),
    **dict.fromkeys(("wd", "l2"), "weight_decay"),
    **dict.fromkeys(("image_size", "img_size", "input_size"), "size"),
    **dict.fromkeys(("valid_pct", "val_split", "valid_split"), "valid_fraction"),
    **dict.fromkeys(("val", "validation"), "valid"),
    **dict.fromkeys(("output", "output_dir"), "out"),
}


def option_keys() -> dict[str, str]:
    """Every option that sets one key of a recipe: its name in Python -> the key. `lr` sets several, and is not here."""
    return {item.knob.option.replace("-", "_"): item.key for item in settings_of(Recipe()) if item.knob.option}


def apply_options(
    recipe: Recipe | Path | None, data: Path, options: Mapping[str, Any], *, warn: Callable[[str], None]
) -> Recipe:
    """Apply options to a recipe.

    Args:
        recipe: A recipe, a recipe file, or None for every default. Which images it names does not matter.
        data: Folder or CSV of the images.
        options: Name -> value; None: it was not given.
        warn: Is called with a sentence about options that have no effect.

    Raises:
        RecipeError: A value has the wrong type or is out of bounds, or the file cannot be read.
        TypeError: There is no option of a name.
    """
    with naming_options(options):
        return read_recipe(recipe, _overrides(recipe, data, options, warn=warn))


@contextmanager
def naming_options(options: Mapping[str, Any]) -> Iterator[None]:
    """Let an error about a setting name the option that gave it, and not its key in a recipe.

    Args:
        options: As for `apply_options`.

    Raises:
        RecipeError: As the block does, with options in backquotes for keys.
    """
    try:
        yield
    except RecipeError as error:
        names = {key: name for name, key in option_keys().items() if options.get(name) is not None}
        if options.get("lr") is not None:
            names |= {"finetune.lr": "lr", "head.lr": "lr"}
        message = _KEY.sub(lambda key: f"`{names[key[0]]}`" if key[0] in names else key[0], str(error))
        raise RecipeError(message) from error


def _overrides(
    recipe: Recipe | Path | None, data: Path, options: Mapping[str, Any], *, warn: Callable[[str], None]
) -> dict[str, Any]:
    keys = option_keys()
    _check_names(options, [*keys, "lr"])
    given = {keys.get(name, name): value for name, value in options.items() if value is not None}
    if given.get("data.label_delimiter") == "":
        raise RecipeError("`label_delimiter` is empty; give the character between labels, such as ';'")
    head_only = given.get("finetune.epochs") == 0
    unused = [key.removeprefix(_FINETUNE) for key in given if key.startswith(_FINETUNE) and given[key]]
    if head_only and unused:
        warn(f"{', '.join(f'`{name}`' for name in unused)}: no effect, because `epochs=0` trains only the head")
    if "lr" in given:
        given |= _lr_overrides(given.pop("lr"), head_only=head_only)
    if isinstance(given.get("finetune.sizes"), str) and given["finetune.sizes"]:
        given.setdefault("finetune.epochs", Sizes.parse(given["finetune.sizes"]).epochs)
    paths = {item.key for item in settings_of(Recipe()) if item.knob.is_path}
    # Which images: never from the recipe, which may be of other images. Nor is the name of a file, which is their name.
    return {
        **({} if isinstance(recipe, Recipe) else {"name": ""}),
        "data.root": "",
        "data.valid": "",
        "data.valid_list": "",
        "abstention.calibration": "",
        "data.source": "",
        "data.labelled_by": "",
        "data.base": "",
        "data.drawn": False,
        **{key: str(Path(value).resolve()) if key in paths and value else value for key, value in given.items()},
        "data.path": str(data.resolve()),
    }


def _check_names(options: Mapping[str, Any], known: Sequence[str]) -> None:
    for name in options:
        if name not in known:
            close = [SYNONYMS[name]] if name in SYNONYMS else difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean `{close[0]}`?" if close else ""
            raise TypeError(f"there is no option `{name}`{hint}")


def _lr_overrides(lr: Any, *, head_only: bool) -> dict[str, Any]:
    """Read "auto", 1e-3 or "1e-3", and (1e-5, 1e-3) or "1e-5:1e-3": from the earliest layers to the head."""
    if lr == "auto":
        return {"auto_lr": True}
    try:
        first, *rest = [float(part) for part in _lr_parts(lr)]
    except (TypeError, ValueError):
        shown = repr(lr).partition("\n")[0]
        raise RecipeError(
            f"`lr` is {shown}; give auto, a number, or two numbers with a colon between, such as 1e-5:1e-3"
        ) from None
    if not rest:
        return {"auto_lr": False, "head.lr" if head_only else "finetune.lr": first}
    if head_only:
        raise RecipeError(f"`lr` is {lr!r}, but with `epochs=0` only the head is trained; give one learning rate")
    if len(rest) > 1 or not 0 < first <= rest[0]:
        raise RecipeError(f"`lr` is {lr!r}; give the smaller learning rate, a colon, the larger one")
    return {"auto_lr": False, "finetune.lr": rest[0], "finetune.lr_spread": rest[0] / first}


def _lr_parts(lr: Any) -> Sequence[Any]:
    if isinstance(lr, str):
        return lr.split(":")
    if isinstance(lr, slice):  # as fastai's users give it
        return (lr.stop,) if lr.start is None else (lr.start, lr.stop)
    return lr if isinstance(lr, (tuple, list)) and lr else (lr,)
