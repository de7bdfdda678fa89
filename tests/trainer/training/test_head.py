from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from trainer.data import Prepared
from trainer.errors import FitError
from trainer.model import Backbone, Classifier
from trainer.progress import NoProgress
from trainer.recipe import HeadRecipe, Recipe
from trainer.training.head import extract_features, fit_head

CPU = torch.device("cpu")
RECIPE = Recipe(head=HeadRecipe(epochs=2, batch_size=8), dropout=0.0)


def features_of(prepared: Prepared, backbone: Backbone, recipe: Recipe = RECIPE) -> torch.Tensor:
    model = Classifier(backbone, class_count=3)
    return extract_features(model, prepared.data, recipe, size=32, device=CPU, progress=NoProgress())


def test_the_frozen_body_sees_the_same_crops_in_every_precision(prepared: Prepared, backbone: Backbone) -> None:
    """In bf16 they were up to a pixel off."""
    mirror = dataclasses.replace(backbone, body=nn.Flatten(), embedding_dim=3 * 32 * 32)  # embeds the pixels
    full, half = (
        features_of(prepared, mirror, dataclasses.replace(RECIPE, precision=precision))
        for precision in ("fp32", "bf16")
    )
    assert full.std() > 0.1
    assert torch.equal(full, half)


def test_more_images_than_are_copied_at_once_all_get_their_features(
    prepared: Prepared, backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = prepared.data
    positions = [place % len(data.train) for place in range(4200)]
    targets = data.train_targets[positions]
    many = dataclasses.replace(data, train=data.train.select(positions), train_targets=targets)
    body = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten())
    model = Classifier(dataclasses.replace(backbone, body=body, embedding_dim=12), class_count=3)
    recipe = dataclasses.replace(RECIPE, head=HeadRecipe(views=1))
    features = extract_features(model, many, recipe, size=16, device=CPU, progress=NoProgress())
    few = extract_features(model, data, recipe, size=16, device=CPU, progress=NoProgress())
    assert torch.equal(features[:, : len(data.train)], few)  # the first ones have the same numbers
    assert (features.abs().sum(dim=2) > 0).all()


@pytest.mark.parametrize("broken", [float("nan"), float("inf"), 1e6])
def test_features_that_are_no_finite_numbers_are_said(prepared: Prepared, backbone: Backbone, broken: float) -> None:
    """The head became NaN, or what measured it failed."""
    body = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 4))
    nn.init.constant_(body[2].bias, broken)  # a million is too much for what features are kept in
    count = 2 * len(prepared.data.train)
    message = rf"features of {count} of {count} views are no finite numbers; are the weights \(weights\.pt\) sound\?"
    with pytest.raises(FitError, match=message + r".* try --precision fp32"):
        features_of(
            prepared,
            dataclasses.replace(backbone, body=body, embedding_dim=4),
            dataclasses.replace(RECIPE, weights="weights.pt"),
        )


def test_a_head_whose_loss_is_no_number_is_said(prepared: Prepared, backbone: Backbone) -> None:
    model, features = Classifier(backbone, class_count=3), features_of(prepared, backbone)
    with torch.no_grad():
        model.head.bias.fill_(np.nan)
    with pytest.raises(FitError, match=r"loss of the head became nan in epoch 1 at a head\.lr of 0\.01; try a tenth"):
        fit_head(model, features, prepared.data, RECIPE, progress=NoProgress())
