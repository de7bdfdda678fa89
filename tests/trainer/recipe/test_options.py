"""Options, under their names in Python, as keys of a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trainer.errors import RecipeError
from trainer.recipe import Freeze, HeadRecipe, Recipe, Sizes, apply_options, option_keys, settings_of

PHOTOS = Path("/photos")


def silent(text: str) -> None:
    raise AssertionError(text)


def applied(recipe: Recipe | Path | None = None, **options: Any) -> Recipe:
    """The recipe that the options give; no warning is expected."""
    return apply_options(recipe, PHOTOS, options, warn=silent)


def changes(**options: Any) -> dict[str, Any]:
    """Key -> value, of what the options change, but for where the images are."""
    defaults = {item.key: item.default for item in settings_of(applied())}
    return {item.key: item.default for item in settings_of(applied(**options)) if item.default != defaults[item.key]}


def test_options_that_were_not_given_change_nothing() -> None:
    assert changes(**dict.fromkeys(option_keys()), lr=None) == {}


def test_every_option_sets_its_key() -> None:
    values = {"sizes": "128:3", "freeze": "early:2", "golden": "validation", "balance": "loss", "precision": "fp32"}
    values |= {"split": "random", "int8": "off"}
    numbers = {
        "valid_fraction": 0.5,
        "allow_broken": 0.25,
        "dropout": 0.5,
        "label_smoothing": 0.5,
        "lr_min": 1e-6,
        "lr_max": 1.0,
        "max_error": 0.02,
        "confidence": 0.9,
        "set_level": 0.9,
    }
    kinds = {str: "/x", bool: True, int: 3, float: 3.0}
    for name, key in option_keys().items():
        default = next(item.default for item in settings_of(Recipe()) if item.key == key)
        value = (values | numbers).get(name) or kinds[type(default)]
        options = {name: value, **({"batch_size": 32} if name == "accumulate" else {})}
        found = changes(**options)
        assert str(found.pop(key)) == str(value), name
        assert set(found) <= {"finetune.epochs"}, name


def test_zero_and_false_are_values() -> None:
    assert changes(dropout=0.0, head_epochs=0, compile=False) == {"dropout": 0.0, "head.epochs": 0}


def test_the_images_are_never_those_of_a_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "recipe.toml"
    file.write_text(
        "name = 'bears'\n[data]\npath = '/a'\nvalid = '/b'\nroot = '/c'\nlabel_column = 'kind'\n"
        "[abstention]\ncalibration = '/d'\nmax_error = 0.02\n"
    )
    recipe = apply_options(file, Path("photos"), {}, warn=silent)
    assert (recipe.data.path, recipe.data.valid, recipe.data.root) == (str(tmp_path / "photos"), "", "")
    assert (recipe.data.label_column, recipe.name) == ("kind", "")
    assert (recipe.abstention.calibration, recipe.abstention.max_error) == ("", 0.02)
    for valid in ("valid", Path("valid")):
        given = apply_options(file, Path("photos"), {"valid": valid, "name": "cubs"}, warn=silent)
        assert (given.data.valid, given.name) == (str(tmp_path / "valid"), "cubs")


def test_options_override_a_recipe_object_which_keeps_its_name() -> None:
    recipe = Recipe(name="bears", dropout=0.5, head=HeadRecipe(epochs=3))
    found = applied(recipe, head_epochs=4)
    assert (found.name, found.dropout, found.head.epochs) == ("bears", 0.5, 4)
    assert recipe.head.epochs == 3


def test_sizes_give_the_epochs_unless_those_were_given() -> None:
    assert changes(sizes="16:2,32:3") == {"finetune.sizes": Sizes(((16, 2), (32, 3))), "finetune.epochs": 5}
    assert changes(sizes="") == {}
    for options in ({"sizes": "16"}, {"sizes": "16:2,32:3", "epochs": 4}):
        with pytest.raises(RecipeError, match=r"`sizes` is '16"):
            applied(**options)
    assert changes(freeze="early:2") == {"finetune.freeze": Freeze({"early": 2})}


@pytest.mark.parametrize(
    ("lr", "keys"),
    [
        ("auto", {"auto_lr": True}),
        ("1e-3", {"finetune.lr": 1e-3}),
        (1e-3, {"finetune.lr": 1e-3}),
        (1, {"finetune.lr": 1.0}),
        ("1e-5:1e-3", {"finetune.lr": 1e-3, "finetune.lr_spread": pytest.approx(100)}),
        ((1e-5, 1e-3), {"finetune.lr": 1e-3, "finetune.lr_spread": pytest.approx(100)}),
        (slice(1e-5, 1e-3), {"finetune.lr": 1e-3, "finetune.lr_spread": pytest.approx(100)}),
        (slice(1e-3), {"finetune.lr": 1e-3}),
        ("0.1:0.1", {"finetune.lr": 0.1, "finetune.lr_spread": 1.0}),
    ],
)
def test_learning_rates(lr: object, keys: dict[str, Any]) -> None:
    assert changes(lr=lr) == keys


def test_a_learning_rate_overrides_a_recipe_that_searches_for_one() -> None:
    assert not applied(Recipe(auto_lr=True), lr=1e-3).auto_lr


def test_without_fine_tuning_a_learning_rate_is_that_of_the_head() -> None:
    assert changes(lr="1e-3", epochs=0) == {"head.lr": 1e-3, "finetune.epochs": 0}
    assert changes(lr="auto", epochs=0) == {"auto_lr": True, "finetune.epochs": 0}


def test_options_without_an_effect_are_named() -> None:
    warnings: list[str] = []
    options = {"epochs": 0, "batch_size": 8, "clip_norm": 1.0, "mixup": 0.0, "dropout": 0.1}
    apply_options(None, PHOTOS, options, warn=warnings.append)
    assert warnings == ["`batch_size`, `clip_norm`: no effect, because `epochs=0` trains only the head"]


@pytest.mark.parametrize("lr", ["fast", "1:2:3", "2:1", "", (), (1e-3, 1e-5), (1, 2, 3), None.__class__, [], {}])
def test_a_learning_rate_that_is_none_is_refused(lr: object) -> None:
    with pytest.raises(RecipeError, match="`lr` is "):
        applied(lr=lr)


def test_a_range_needs_fine_tuning() -> None:
    with pytest.raises(RecipeError, match="give one learning rate"):
        applied(lr="1e-5:1e-3", epochs=0)


def test_an_empty_delimiter_is_refused() -> None:
    with pytest.raises(RecipeError, match="`label_delimiter` is empty"):
        applied(label_delimiter="")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("batchsizes", "; did you mean `batch_size`?"),
        ("learning_rate", "; did you mean `lr`?"),
        ("bs", "; did you mean `batch_size`?"),
        ("freeze_epochs", ""),
    ],
)
def test_an_unknown_option_is_named_with_the_closest_one(name: str, hint: str) -> None:
    with pytest.raises(TypeError, match=rf"^there is no option `{name}`") as error:
        applied(**{name: 3})
    assert str(error.value).endswith(hint)
