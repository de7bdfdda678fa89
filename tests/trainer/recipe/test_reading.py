from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from trainer.errors import RecipeError
from trainer.recipe import Freeze, Recipe, Sizes, read_recipe, recipe_to_toml

OVERRIDES = (
    {"seed": 7, "finetune.epochs": 3, "augmentation.flip": 0.0, "data.path": "photos"},
    {"finetune.sizes": "128:2,224:1", "finetune.freeze": "early:2,late"},
    {"finetune.sizes": Sizes(((128, 2),)), "finetune.freeze": Freeze({"head": 1})},
    {"auto_lr": True, "lr_find.lr_min": 1e-5, "lr_find.lr_max": 1, "name": "Äpfel"},
)


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("overrides", OVERRIDES, ids=str)
def test_every_key_survives_the_way_to_a_file_and_back(tmp_path: Path, overrides: dict[str, object]) -> None:
    recipe = read_recipe(None, overrides)
    assert recipe != Recipe()
    assert read_recipe(written(tmp_path, recipe_to_toml(recipe)), {}) == recipe


def test_an_override_replaces_what_the_file_says(tmp_path: Path) -> None:
    path = written(tmp_path, "seed = 3\n[finetune]\nepochs = 2\nlr = 0.5\n")
    recipe = read_recipe(path, {"finetune.epochs": 9})
    assert (recipe.seed, recipe.finetune.epochs, recipe.finetune.lr) == (3, 9, 0.5)


def test_a_whole_number_is_accepted_for_a_float(tmp_path: Path) -> None:
    path = written(tmp_path, "[augmentation]\nrotation_degrees = 5\n")
    rotation = read_recipe(path, {}).augmentation.rotation_degrees
    assert (rotation, type(rotation)) == (5.0, float)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs = 3", "there is no key epochs; the keys are name, golden"),
        ("[finetune]\nepoch = 3", "there is no key finetune.epoch; the keys are finetune.epochs"),
        ("[finetune]\nrate = 0.5", "there is no key finetune.rate; the keys are finetune.epochs"),
        ("[finetune]\nepochs = 'many'", "finetune.epochs is 'many'; it must be a whole number"),
        ("finetune = 3", "finetune is a table, not 3"),
        ('name = "a\\nb"', "it must be printable text"),
        (f"dropout = 1{'0' * 400}", "too large"),
        ("seed = true", "seed is True; it must be a whole number"),
        ("[finetune]\nlr = nan", "finetune.lr is nan"),
        ("[head]\nviews = 0", "head.views is 0; it must be from 1"),
        ("[finetune]\nepochs = -1", "finetune.epochs is -1; it must be from 0"),
        ("[finetune]\nlr_spread = 0.5", "finetune.lr_spread is 0.5; it must be from 1"),
        ("[finetune]\nmixup = -0.1", "finetune.mixup is -0.1"),
        ("[finetune]\ncutmix = nan", "finetune.cutmix is nan"),
        ("[finetune]\nclip_norm = -1", "finetune.clip_norm is -1.0"),
        ("[finetune]\naccumulate = 33", "finetune.accumulate is 33; it must be from 1 to 32"),
        ("[finetune]\npatience = -1", "finetune.patience is -1"),
        ("[finetune]\ncompile = 1", "finetune.compile is 1; it must be true or false"),
        ("[finetune]\nfreeze = 'body'", "finetune.freeze is 'body'; give groups (early, late, head)"),
        ("[finetune]\nfreeze = 3", "finetune.freeze is 3; it must be text"),
        ("[finetune]\nsizes = '128'", "finetune.sizes is '128'; give SIZE:EPOCHS"),
        ("[finetune]\nsizes = {128 = 2}", "finetune.sizes is {'128': 2}; it must be text"),
        ("balance = 'some'", "balance is 'some'; it must be one of none, sampler, loss"),
        ("precision = 'fp8'", "precision is 'fp8'; it must be one of auto, fp32, bf16, fp16"),
        ("[augmentation]\nflip = 2.0", "augmentation.flip is 2.0; it must be from 0 to 1"),
        ("[augmentation]\nscale_min = 0.0", "augmentation.scale_min is 0.0; it must be from 1e-06 to 1"),
        ("seed = ", "is not TOML"),
    ],
)
def test_the_error_says_what_is_wrong_with_a_recipe(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=re.escape(message)):
        read_recipe(written(tmp_path, text), {})


def test_a_file_that_is_missing_is_reported() -> None:
    with pytest.raises(RecipeError, match=r"none\.toml cannot be read: No such file"):
        read_recipe(Path("nowhere/none.toml"), {})


def test_a_file_that_is_not_utf_8_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_bytes(b'name = "\xff"\n')
    with pytest.raises(RecipeError, match="is not TOML"):
        read_recipe(path, {})


def test_the_file_names_every_default() -> None:
    content = tomllib.loads(recipe_to_toml(Recipe()))
    assert content["finetune"]["ema_decay"] == 0.99
    assert {"augmentation", "data", "head", "finetune", "lr_find", "backbone", "seed", "checkpoint_s"} <= set(content)


def test_an_override_of_a_section_that_the_file_has_as_a_number_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="data is a table, not 3"):
        read_recipe(written(tmp_path, "data = 3\n"), {"data.path": "photos"})
