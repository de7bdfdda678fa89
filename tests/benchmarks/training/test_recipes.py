from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.ablation import FINETUNE_CHANGES, HEAD_CHANGES
from tests.benchmarks.training.recipes import change_recipe, parse_changes
from trainer.errors import RecipeError
from trainer.recipe import read_recipe


def test_values_have_their_own_types() -> None:
    assert parse_changes(["finetune.epochs=12,finetune.lr=1e-3", "finetune.sizes=128:3,224:2,balance=sampler"]) == {
        "finetune.epochs": 12,
        "finetune.lr": 0.001,
        "balance": "sampler",
        "finetune.sizes": "128:3,224:2",
    }


def test_the_same_recipe_has_the_same_name_in_whatever_way_it_was_asked_for(tmp_path: Path) -> None:
    default = change_recipe({})
    assert change_recipe({"finetune.epochs": default.recipe.finetune.epochs}).name == default.name
    other = change_recipe({"finetune.epochs": 3})
    assert other.name != default.name
    assert read_recipe(other.write(tmp_path), {}) == other.recipe


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"finetune\.epoch\b"):
        change_recipe(parse_changes(["finetune.epoch=3"]))


@pytest.mark.parametrize("text", [*HEAD_CHANGES, *FINETUNE_CHANGES])
def test_every_change_that_ablation_tries_is_accepted(text: str) -> None:
    change_recipe(parse_changes([text]))
