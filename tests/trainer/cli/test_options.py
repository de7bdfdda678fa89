"""The options that are made from the settings of a recipe: their help, and the recipe that they end in."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest
import safetensors.torch

from tests.support.trainer import error_of, fit, options_of, trainer
from trainer.cli import main
from trainer.cli.options import given_options
from trainer.model.tiny import Tiny
from trainer.recipe import GROUPS, FinetuneRecipe, Recipe, settings_of

FAST = ("--backbone", "tiny", "--epochs", "2", "--batch-size", "8", "--device", "cpu")
SETTINGS = [item for item in settings_of(Recipe()) if item.knob.option]
NOT_IN_RECIPE = {"--help", "--out", "--recipe", "--device", "--threads", "--cache", "--cache-max", "--json", "--lr"}


def recipe_of(run: Path) -> dict[str, Any]:
    return tomllib.loads((run / "recipe.toml").read_text())


def test_fit_has_an_option_for_every_setting_that_names_one() -> None:
    assert options_of("fit") == {f"--{item.knob.option}" for item in SETTINGS} | NOT_IN_RECIPE


def test_lr_find_has_those_that_matter_to_it() -> None:
    shared = {f"--{item.knob.option}" for item in SETTINGS if not item.knob.only_fit}
    assert options_of("lr-find") == shared | NOT_IN_RECIPE - {"--lr"}
    assert {"--lr-min", "--lr-max", "--sizes", "--dropout"} <= shared
    assert not {"--name", "--patience", "--tensorboard", "--freeze", "--golden"} & shared


def test_show_has_those_that_decide_what_the_network_is_fed() -> None:
    found = options_of("show")
    assert {f"--{item.knob.option}" for item in SETTINGS if item.key.startswith("data.")} <= found
    assert {"--backbone", "--size", "--sizes", "--seed", "--mixup", "--cutmix", "--balance", "--recipe"} <= found
    assert not {"--lr", "--dropout", "--weights", "--patience", "--device", "--cache", "--weight-decay"} & found


@pytest.mark.parametrize("command", ["fit", "lr-find"])
def test_help_lists_options_in_the_groups_of_the_recipe(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    text = trainer(command, "--help").stdout
    sections = re.split(r"^(\S.*):$", text, flags=re.MULTILINE)
    options = {
        name: re.findall(r"^ +(?:-h, )?(--[a-z0-9-]+)", body, flags=re.MULTILINE)
        for name, body in zip(sections[1::2], sections[2::2], strict=True)
    }
    with_options = [
        group
        for group in GROUPS
        if {f"--{item.knob.option}" for item in SETTINGS if item.knob.group == group} & options_of(command)
    ]
    options.pop("Examples", None)
    first = options.pop("Most used")
    assert first[:2] == ["--out", "--valid"]
    assert len(first) == (10 if command == "fit" else 8)
    assert ("--lr" in first) == (command == "fit")
    assert list(options) == [*(group for group in with_options if group in options), "General"]
    assert ("Output" in options) == (command == "fit")
    listed = [*first, *(option for section in options.values() for option in section)]
    assert sorted(listed) == sorted(options_of(command))
    for group in GROUPS:
        own = [f"--{item.knob.option}" for item in SETTINGS if item.knob.group == group]
        assert options.get(group, []) == [
            option for option in own if option in options_of(command) and option not in first
        ]
    assert "`" not in text


def test_help_shows_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    text = " ".join(trainer("fit", "--help").stdout.split())
    for shown in (
        "Dropout before the head. [default: 0.2]",
        "[default: 12, or those of --sizes]",
        "[default: 0, never]",
        "--balance [none|sampler|loss]",
        "[default: 0.004; less after a head stage if steps times epochs are less than 180]",
        "Second folder, table or archive, to validate on. [default: a part of the images]",
        "pays in long runs. [default: off]",
        "Example: early:2,late:1 freezes",
        "Example: 128:3,224:2.",
        "Examples: 1e-3 (",
    ):
        assert shown in text


def test_numbers_of_regularization_end_in_the_recipe(photos: Path, tmp_path: Path) -> None:
    """`--dropout 0.1` and `--label-smoothing 0` are not their defaults, and 0 is a number that was given."""
    run = tmp_path / "run"
    result = fit(photos, run, "--dropout", "0.1", "--weight-decay", "0.1", "--label-smoothing", "0")
    assert result.exit_code == 0, result.output
    recipe = recipe_of(run)
    assert (recipe["dropout"], recipe["finetune"]["weight_decay"], recipe["label_smoothing"]) == (0.1, 0.1, 0.0)
    assert recipe["head"]["weight_decay"] == Recipe().head.weight_decay


@pytest.mark.parametrize("last", ["1", "0.01"])
def test_the_bounds_of_lr_find_are_those_of_its_sweeps(photos: Path, tmp_path: Path, cache: Path, last: str) -> None:
    found = tmp_path / "found"
    bounds = ("--lr-min", "1e-5", "--lr-max", last)
    result = trainer("lr-find", photos, "--cache", cache, *FAST, *bounds, "--out", found)
    assert result.exit_code == 0, result.output
    sweep = json.loads((found / "lr_find.json").read_text())["finetune"]
    assert 1e-5 <= sweep["lrs"][0] < 1e-4  # the first tenth is left out
    assert sweep["lrs"][-1] <= float(last)
    assert sweep["diverged"] or sweep["lrs"][-1] > float(last) / 10
    assert f"--lr-min 1e-05 --lr-max {float(last)}" in result.stdout.splitlines()[-1]


def test_flags_are_given_only_if_they_are_typed(photos: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("tensorboard = true\n")
    assert fit(photos, tmp_path / "run", "--recipe", recipe).exit_code == 0
    assert recipe_of(tmp_path / "run")["tensorboard"]
    assert not recipe_of(tmp_path / "run")["finetune"]["compile"]


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--dropout", "1", "--dropout is 1.0; it must be from 0 to 0.95"),
        ("--weight-decay", "-1", "--weight-decay is -1.0; it must be from 0 to 10"),
        ("--label-smoothing", "nan", "--label-smoothing is nan; it must be from 0 to 0.9"),
        ("--lr-max", "1e9", "--lr-max is 1000000000.0; it must be from 1e-12 to 100"),
        ("--head-epochs", "-1", "--head-epochs is -1; it must be from 0 to 10000"),
        ("--name", "\x07", "--name is '\\x07'; it must be printable text"),
    ],
)
def test_a_value_out_of_bounds_is_wrong_use(
    photos: Path, tmp_path: Path, option: str, value: str, message: str
) -> None:
    result = fit(photos, tmp_path / "run", option, value)
    assert result.exit_code == 2
    assert error_of(result) == f"error: {message}"
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--balance", "evenly"),
        ("--precision", "fp64"),
        ("--batch-size", "8.5"),
        ("--dropout", "some"),
        ("--made-up", "1"),
    ],
)
def test_a_value_of_the_wrong_type_is_wrong_use(photos: Path, tmp_path: Path, option: str, value: str) -> None:
    result = fit(photos, tmp_path / "run", option, value)
    assert result.exit_code == 2
    assert option in result.stderr
    assert not (tmp_path / "run").exists()


def test_given_options_are_words_that_give_the_same_again() -> None:
    words = ["--seed", "3", "--valid", "my photos", "--json", "--sizes", "16:1", "--lr-min", "1e-05"]
    with main.commands["lr-find"].make_context("lr-find", ["photos", *words, "--cache", "cache"]) as context:
        given = list(given_options(context, without=("cache",)))
    again = [
        given[index : index + (1 if word == "--json" else 2)] for index, word in enumerate(given) if word[0] == "-"
    ]
    assert sorted(again) == [
        ["--json"],
        ["--lr-min", "1e-05"],
        ["--seed", "3"],
        ["--sizes", "16:1"],
        ["--valid", "my photos"],
    ]
    assert isinstance(context, click.Context)


def test_a_range_of_learning_rates(photos: Path, tmp_path: Path) -> None:
    assert fit(photos, tmp_path / "run", "--lr", "1e-4:1e-2").exit_code == 0
    recipe = recipe_of(tmp_path / "run")
    assert (recipe["finetune"]["lr"], recipe["finetune"]["lr_spread"]) == (0.01, 100.0)
    assert not recipe["auto_lr"]


def test_a_learning_rate_overrides_a_recipe_that_asks_for_auto(photos: Path, tmp_path: Path) -> None:
    recipe, run = tmp_path / "recipe.toml", tmp_path / "run"
    recipe.write_text("auto_lr = true\n")
    assert fit(photos, run, "--recipe", recipe, "--epochs", "1", "--lr", "0.02").exit_code == 0
    assert not (run / "lr_find.json").exists()
    assert not recipe_of(run)["auto_lr"]


@pytest.mark.parametrize("text", ["fast", "1e-3:", "1:2:3", "1e-3:1e-5", "0:1", ""])
def test_a_learning_rate_that_is_none_is_wrong_use(photos: Path, tmp_path: Path, text: str) -> None:
    result = trainer("fit", photos, "--out", tmp_path / "run", "--lr", text)
    assert result.exit_code == 2
    assert error_of(result).startswith(f"error: --lr is {text!r}; give ")


def test_without_fine_tuning_the_learning_rate_is_that_of_the_head(photos: Path, tmp_path: Path, cache: Path) -> None:
    """It was recorded for fine-tuning, which did not run, and the head was trained with its default."""
    weights = tmp_path / "tiny.safetensors"
    safetensors.torch.save_file(Tiny().state_dict(), weights)
    options = ("fit", photos, "--cache", cache, "--backbone", "tiny", "--device", "cpu", "--weights", weights)
    head = ("--epochs", "0", "--head-epochs", "2")
    result = trainer(*options, *head, "--lr", "0.5", "--mixup", "0.4", "--freeze", "early", "--out", tmp_path / "run")
    assert result.exit_code == 0, result.output
    assert "warning: --mixup, --freeze: no effect, because --epochs 0 trains only the head" in result.stderr
    recipe = recipe_of(tmp_path / "run")
    assert recipe["head"]["lr"] == 0.5
    assert recipe["finetune"]["lr"] == FinetuneRecipe().lr
    ranged = trainer(*options, *head, "--lr", "1e-3:1e-2", "--out", tmp_path / "other")
    assert ranged.exit_code == 2
    assert "with --epochs 0 only the head is trained; give one learning rate" in ranged.stderr
