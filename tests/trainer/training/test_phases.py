from __future__ import annotations

import dataclasses

import pytest
from torch import nn

from trainer.data import Prepared
from trainer.errors import RecipeError
from trainer.model import Backbone
from trainer.recipe import FinetuneRecipe, Freeze, HeadRecipe, Recipe, Sizes
from trainer.training.phases import Phase, Phases, crop_size, for_backbone, require_trainable, trains_head


def with_sizes(text: str) -> Recipe:
    return Recipe(finetune=FinetuneRecipe(sizes=Sizes.parse(text)))


@pytest.mark.parametrize(
    ("size", "scale", "expected"), [(224, 6 / 7, 192), (224, 1.0, 224), (32, 6 / 7, 32), (40, 1.0, 40), (32, 0.25, 32)]
)
def test_the_side_of_smaller_crops_is_a_multiple_of_32(size: int, scale: float, expected: int) -> None:
    assert crop_size(size, scale) == expected


def test_each_epoch_has_its_size_and_its_frozen_groups(prepared: Prepared) -> None:
    recipe = FinetuneRecipe(sizes=Sizes.parse("16:1,32:2"), freeze=Freeze.parse("early:1,late:2"))
    phases = Phases(recipe, prepared.data)
    assert [phases[epoch] for epoch in range(3)] == [
        Phase(size=16, frozen=frozenset({"early", "late"})),
        Phase(size=32, frozen=frozenset({"late"})),
        Phase(size=32, frozen=frozenset()),
    ]
    assert [phases.changes_at(epoch) for epoch in range(3)] == [True, True, True]
    assert str(phases[0]) == "16 pixels, early frozen, late frozen"


def test_without_sizes_and_freezing_nothing_changes(prepared: Prepared) -> None:
    phases = Phases(FinetuneRecipe(epochs=3), prepared.data)
    assert {phases[epoch] for epoch in range(3)} == {Phase(size=32, frozen=frozenset())}
    assert not any(phases.changes_at(epoch) for epoch in range(3))


def test_a_size_that_the_network_does_not_accept_is_refused_before_anything_is_trained(backbone: Backbone) -> None:
    halving = dataclasses.replace(backbone, body=nn.Sequential(nn.PixelUnshuffle(32), nn.Flatten()), name="halving")
    require_trainable(with_sizes("64:1,96:1"), halving)
    with pytest.raises(RecipeError, match=r"halving does not accept images of 80 pixels .* multiples of 32"):
        require_trainable(with_sizes("64:1,80:1"), halving)


def test_a_backbone_of_a_fixed_size_accepts_no_sizes(backbone: Backbone) -> None:
    fixed = dataclasses.replace(backbone, fixed_input_size=True)
    with pytest.raises(RecipeError, match="tiny accepts only images of 32 pixels; leave out `sizes`"):
        require_trainable(with_sizes("64:1,96:1"), fixed)


def test_a_backbone_of_a_fixed_size_gets_crops_of_that_size(backbone: Backbone) -> None:
    recipe = Recipe(finetune=FinetuneRecipe(crop_scale=0.5))
    assert for_backbone(recipe, backbone) == recipe
    assert for_backbone(recipe, dataclasses.replace(backbone, fixed_input_size=True)).finetune.crop_scale == 1


def test_there_is_a_head_stage_only_with_pretrained_weights_and_if_it_has_epochs(backbone: Backbone) -> None:
    assert trains_head(Recipe(), backbone)
    assert not trains_head(Recipe(), dataclasses.replace(backbone, pretrained=False))
    assert not trains_head(Recipe(head=HeadRecipe(epochs=0)), backbone)


@pytest.mark.parametrize(
    ("finetune", "message"),
    [
        (FinetuneRecipe(epochs=0), r"nothing would be trained: finetune\.epochs is 0"),
        (FinetuneRecipe(freeze=Freeze.parse("head")), r"the head would never be trained: finetune\.freeze is 'head'"),
        (FinetuneRecipe(epochs=3, freeze=Freeze.parse("head:3")), "the head would never be trained"),
    ],
)
@pytest.mark.parametrize("pretrained", [False, True])
def test_a_recipe_that_would_never_train_the_head_is_refused(
    backbone: Backbone, finetune: FinetuneRecipe, message: str, pretrained: bool
) -> None:
    """Without a head stage: with random weights, or if it has no epochs."""
    backbone = dataclasses.replace(backbone, pretrained=pretrained)
    recipe = Recipe(finetune=finetune, head=HeadRecipe(epochs=0 if pretrained else 40))
    with pytest.raises(RecipeError, match=message):
        require_trainable(recipe, backbone)
    require_trainable(Recipe(finetune=finetune), dataclasses.replace(backbone, pretrained=True))
