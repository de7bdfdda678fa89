from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from trainer.errors import RecipeError
from trainer.recipe import Recipe, read_recipe


def test_every_key_survives_the_way_to_a_file_and_back(tmp_path: Path) -> None:
    recipe = read_recipe(None, {"seed": 7, "finetune.epochs": 3, "augmentation.flip": 0.0, "data.path": "photos"})
    path = tmp_path / "recipe.toml"
    path.write_text(recipe.to_toml(), encoding="utf-8")
    assert read_recipe(path, {}) == recipe


def test_the_command_line_goes_before_the_file(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text("seed = 3\n[finetune]\nepochs = 2\nrate = 0.5\n")
    recipe = read_recipe(path, {"finetune.epochs": 9})
    assert (recipe.seed, recipe.finetune.epochs, recipe.finetune.lr) == (3, 9, 0.5)


def test_a_whole_number_is_a_number(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text("[augmentation]\nrotation_degrees = 5\n")
    assert read_recipe(path, {}).augmentation.rotation_degrees == 5.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs = 3", "there is no key epochs; the keys are backbone"),
        ("[finetune]\nepoch = 3", "there is no key finetune.epoch; the keys are finetune.epochs"),
        ("[finetune]\nepochs = 'many'", "finetune.epochs is 'many', not a int"),
        ("finetune = 3", "finetune is a table, not 3"),
        ('name = "a\\nb"', "it must be printable text"),
        (f"dropout = 1{'0' * 400}", "too large"),
        ("seed = true", "seed is True, not a int"),
        ("[finetune]\nlr = nan", "finetune.lr is nan"),
        ("[head]\nviews = 0", "head.views is 0; it must be from 1"),
        ("[finetune]\nepochs = -1", "finetune.epochs is -1; it must be from 0"),
        ("[finetune]\nlr_spread = 0.5", "finetune.lr_spread is 0.5; it must be from 1"),
        ("[finetune]\nmixup = -0.1", "finetune.mixup is -0.1"),
        ("[finetune]\ncutmix = nan", "finetune.cutmix is nan"),
        ("[finetune]\nclip_norm = -1", "finetune.clip_norm is -1.0"),
        ("[finetune]\naccumulate = 33", "finetune.accumulate is 33; it must be from 1 to 32"),
        ("[finetune]\npatience = -1", "finetune.patience is -1"),
        ("[finetune]\ncompile = 1", "finetune.compile is 1, not a bool"),
        ("[finetune]\nfreeze = 'body'", "finetune.freeze is 'body'; give groups (early, late, head)"),
        ("[finetune]\nsizes = '128'", "finetune.sizes is '128'; give SIZE:EPOCHS"),
        ("balance = 'some'", "balance is 'some'; it must be one of none, sampler, loss"),
        ("precision = 'fp8'", "precision is 'fp8'; it must be one of auto, fp32, bf16, fp16"),
        ("[augmentation]\nflip = 2.0", "augmentation.flip must be from 0 to 1"),
        ("[augmentation]\nscale_min = 0.0", "augmentation.scale_min must be over 0"),
        ("seed = ", "is not TOML"),
    ],
)
def test_says_what_is_wrong_with_a_recipe(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=re.escape(message)):
        read_recipe(path, {})


def test_says_that_there_is_no_such_recipe(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"none\.toml cannot be read: No such file"):
        read_recipe(tmp_path / "none.toml", {})


def test_the_file_names_every_default() -> None:
    written = tomllib.loads(Recipe().to_toml())
    assert written["finetune"]["ema_decay"] == 0.99
    assert {"augmentation", "data", "head", "finetune", "backbone", "seed", "checkpoint_s"} <= set(written)


def test_an_override_of_what_the_file_has_as_no_table_is_said(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text("data = 3\n")
    with pytest.raises(RecipeError, match="data is a table, not 3"):
        read_recipe(path, {"data.path": "photos"})
