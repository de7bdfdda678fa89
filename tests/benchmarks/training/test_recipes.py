from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.ablation import OF_THE_HEAD, OF_THE_WHOLE
from tests.benchmarks.training.recipes import change_recipe, parse_changes
from trainer.errors import RecipeError
from trainer.recipe import read_recipe


def test_values_are_of_their_own_kind() -> None:
    assert parse_changes(["finetune.epochs=12,finetune.lr=1e-3", "finetune.sizes=128:3,224:2,balance=sampler"]) == {
        "finetune.epochs": 12,
        "finetune.lr": 0.001,
        "balance": "sampler",
        "finetune.sizes": "128:3,224:2",
    }


def test_the_same_recipe_has_the_same_name_however_it_was_asked_for(tmp_path: Path) -> None:
    default = change_recipe({})
    assert change_recipe({"finetune.epochs": default.recipe.finetune.epochs}).name == default.name
    other = change_recipe({"finetune.epochs": 3})
    assert other.name != default.name
    assert read_recipe(other.write(tmp_path), {}) == other.recipe


def test_a_key_that_is_not_there_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"whole\.epoch"):
        change_recipe(parse_changes(["whole.epoch=3"]))


@pytest.mark.parametrize("text", [*OF_THE_HEAD, *OF_THE_WHOLE])
def test_every_change_that_ablation_tries_is_accepted(text: str) -> None:
    change_recipe(parse_changes([text]))
