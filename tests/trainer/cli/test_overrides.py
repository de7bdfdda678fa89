"""Options of the command line as keys of a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest

from trainer.cli.overrides import recipe_overrides
from trainer.errors import RecipeError
from trainer.recipe import Recipe, read_recipe, settings_of


def overrides(**options: Any) -> dict[str, Any]:
    """The keys, without those that say which images."""
    found = recipe_overrides(Path("/photos"), options)
    return {key: value for key, value in found.items() if key not in ("name", "data.root", "data.valid", "data.path")}


def test_options_that_were_not_given_override_nothing() -> None:
    options = {item.knob.option.replace("-", "_"): None for item in settings_of(Recipe()) if item.knob.option}
    assert overrides(**options, lr=None) == {}


def test_every_option_has_its_key() -> None:
    for item in settings_of(Recipe()):
        if item.knob.option and item.key not in ("name", "data.root", "data.valid"):
            value = "x" if type(item.default) is str else 1
            try:
                found = overrides(**{item.knob.option.replace("-", "_"): value})
            except AttributeError:  # a text of its own kind, such as sizes
                continue
            assert found == {item.key: value}


def test_zero_and_false_are_values() -> None:
    assert overrides(dropout=0.0, head_epochs=0, compile=False) == {
        "dropout": 0.0,
        "head.epochs": 0,
        "finetune.compile": False,
    }


def test_the_images_are_never_those_of_a_recipe_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("name = 'bears'\n[data]\npath = '/a'\nvalid = '/b'\nroot = '/c'\nlabel_column = 'kind'\n")
    data = read_recipe(recipe, recipe_overrides(Path("photos"), {})).data
    assert (data.path, data.valid, data.root) == (str(tmp_path / "photos"), "", "")
    assert data.label_column == "kind"
    given = read_recipe(recipe, recipe_overrides(Path("photos"), {"valid": Path("valid"), "name": "cubs"}))
    assert (given.data.valid, given.name) == (str(tmp_path / "valid"), "cubs")


def test_sizes_give_the_epochs_unless_those_were_given() -> None:
    assert overrides(sizes="16:2,32:3") == {"finetune.sizes": "16:2,32:3", "finetune.epochs": 5}
    assert overrides(sizes="16:2,32:3", epochs=4) == {"finetune.sizes": "16:2,32:3", "finetune.epochs": 4}
    assert overrides(sizes="") == {"finetune.sizes": ""}
    with pytest.raises(RecipeError, match=r"finetune\.sizes is '16'"):
        overrides(sizes="16")


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("auto", {"auto_lr": True}),
        ("1e-3", {"auto_lr": False, "finetune.lr": 1e-3}),
        ("1e-5:1e-3", {"auto_lr": False, "finetune.lr": 1e-3, "finetune.lr_spread": pytest.approx(100)}),
        ("0.1:0.1", {"auto_lr": False, "finetune.lr": 0.1, "finetune.lr_spread": 1.0}),
    ],
)
def test_learning_rates(text: str, keys: dict[str, Any]) -> None:
    assert overrides(lr=text) == keys


def test_without_fine_tuning_a_learning_rate_is_that_of_the_head(capsys: pytest.CaptureFixture[str]) -> None:
    assert overrides(lr="1e-3", epochs=0) == {"auto_lr": False, "head.lr": 1e-3, "finetune.epochs": 0}
    assert overrides(lr="auto", epochs=0) == {"auto_lr": True, "finetune.epochs": 0}
    assert capsys.readouterr().err == ""


def test_options_without_an_effect_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    overrides(epochs=0, batch_size=8, clip_norm=1.0, mixup=0.0, dropout=0.1)
    assert capsys.readouterr().err == (
        "warning: --batch-size, --clip-norm: no effect, because --epochs 0 trains only the head\n"
    )


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"lr": "fast"}, "--lr"),
        ({"lr": "1:2:3"}, "--lr"),
        ({"lr": "2:1"}, "--lr"),
        ({"label_delimiter": ""}, "--label-delimiter"),
    ],
)
def test_wrong_values_name_their_option(options: dict[str, Any], name: str) -> None:
    with pytest.raises(click.BadParameter) as error:
        overrides(**options)
    assert error.value.param_hint == name
