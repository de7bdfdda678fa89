from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from torch import nn

from trainer.data import Prepared
from trainer.errors import RecipeError
from trainer.model import Backbone
from trainer.progress import NoProgress
from trainer.recipe import FinetuneRecipe, HeadRecipe, Recipe, read_recipe
from trainer.training.loop import fit, require_training
from trainer.training.phases import crop_size, parse_sizes

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("size", "share", "expected"), [(224, 6 / 7, 192), (224, 1.0, 224), (32, 6 / 7, 32), (40, 1.0, 40)]
)
def test_training_crops_are_a_multiple_of_what_networks_halve(size: int, share: float, expected: int) -> None:
    assert crop_size(size, share) == expected


def test_sizes_say_how_many_epochs_there_are() -> None:
    assert parse_sizes("128:2, 224:1") == [128, 128, 224]
    assert FinetuneRecipe(sizes="128:2,224:1").epochs == 3
    assert FinetuneRecipe().epochs == FinetuneRecipe(sizes="").epochs


def test_a_recipe_with_sizes_survives_the_way_to_a_file_and_back(tmp_path: Path) -> None:
    recipe = Recipe(finetune=FinetuneRecipe(sizes="128:2,224:1"))
    path = tmp_path / "recipe.toml"
    path.write_text(recipe.to_toml(), encoding="utf-8")
    assert read_recipe(path, {}) == recipe


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sizes": "128"}, "give SIZE:EPOCHS with commas between"),
        ({"sizes": "128:two"}, "give SIZE:EPOCHS"),
        ({"sizes": "-32:2"}, "give SIZE:EPOCHS"),
        ({"sizes": "128:0"}, "its epochs from 1 to 10000"),
        ({"sizes": "4096:2"}, "a size must be from 16 to 1024"),
        ({"sizes": "128:2", "epochs": 5}, r"finetune\.epochs is 5, but finetune\.sizes is '128:2', 2 epochs"),
        ({"sizes": "128:3", "epochs": 8}, r"finetune\.epochs is 8, but finetune\.sizes is '128:3', 3 epochs"),
        ({"sizes": "128:2", "crop_scale": 0.5}, "leave one out"),
    ],
)
def test_says_what_is_wrong_with_sizes(changes: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        FinetuneRecipe(**changes)  # type: ignore[arg-type]


def test_the_network_sees_each_size_for_its_epochs(prepared: Prepared, backbone: Backbone, tmp_path: Path) -> None:
    recipe = Recipe(head=HeadRecipe(epochs=0), finetune=FinetuneRecipe(sizes="16:1,40:2", batch_size=32))
    sides: list[int] = []
    backbone.body.register_forward_pre_hook(lambda module, given: sides.append(given[0].shape[-1]))
    fit(backbone, prepared.data, recipe, run=tmp_path, device=CPU, progress=NoProgress())
    assert [side for side in sides if side != 32] == [16, 40, 40]  # 32: what is validated
    events = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    changes = [(event["epoch"], event["size"]) for event in events if event["event"] == "change"]
    assert changes == [(1, 16), (2, 40)]


def test_a_size_that_the_network_does_not_take_is_said_before_anything_is_trained(backbone: Backbone) -> None:
    halving = dataclasses.replace(backbone, body=nn.Sequential(nn.PixelUnshuffle(32), nn.Flatten()), name="halving")
    require_training(Recipe(finetune=FinetuneRecipe(sizes="64:1,96:1")), halving)
    with pytest.raises(RecipeError, match=r"halving does not take images of 80 pixels .* multiples of 32"):
        require_training(Recipe(finetune=FinetuneRecipe(sizes="64:1,80:1")), halving)


def test_a_backbone_of_one_size_takes_no_sizes(backbone: Backbone) -> None:
    fixed = dataclasses.replace(backbone, fixed_input_size=True)
    with pytest.raises(RecipeError, match="tiny takes images of 32 pixels only; leave --sizes out"):
        require_training(Recipe(finetune=FinetuneRecipe(sizes="64:1,96:1")), fixed)
