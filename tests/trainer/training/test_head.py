from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.support.training import CPU, copy_state, cpu_session
from trainer.data import Prepared
from trainer.errors import FitError
from trainer.model import Backbone, Classifier
from trainer.recipe import HeadRecipe, Recipe
from trainer.training.evaluate import predict_logits
from trainer.training.head import HeadLearner, extract_features, fit_head

RECIPE = Recipe(head=HeadRecipe(epochs=2, batch_size=8), dropout=0.0)


def features_of(prepared: Prepared, backbone: Backbone, recipe: Recipe = RECIPE) -> torch.Tensor:
    model = Classifier(backbone, class_count=3)
    return extract_features(model, prepared.data, recipe, cpu_session(prepared.data))


def trained_classifier(backbone: Backbone) -> Classifier:
    """A classifier whose head is not zero, so that its predictions differ."""
    model = Classifier(backbone, class_count=3)
    torch.manual_seed(0)
    nn.init.normal_(model.head.weight, std=0.1)
    return model


def test_the_head_stage_learns_and_leaves_the_body_as_it_was(prepared: Prepared, backbone: Backbone) -> None:
    model, session = Classifier(backbone, class_count=3), cpu_session(prepared.data)
    recipe = Recipe(head=HeadRecipe(epochs=20, batch_size=8))
    before = copy_state(model.body)
    features = extract_features(model, prepared.data, recipe, session)
    assert features.shape == (2, len(prepared.data.train), 96)
    assert not torch.equal(features[0], features[1])  # two views
    fit_head(model, features, prepared.data, recipe, session)
    predicted = predict_logits(model, prepared.data.valid, device=CPU).argmax(1)
    assert (predicted == prepared.data.valid_targets).mean() > 0.9
    after = copy_state(model.body)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_frozen_body_sees_the_same_crops_in_every_precision(prepared: Prepared, backbone: Backbone) -> None:
    """In bf16 the crops themselves would be up to a pixel off."""
    mirror = dataclasses.replace(backbone, body=nn.Flatten(), embedding_dim=3 * 32 * 32)  # embeds the pixels
    full, half = (
        features_of(prepared, mirror, dataclasses.replace(RECIPE, precision=precision))
        for precision in ("fp32", "bf16")
    )
    assert full.std() > 0.1
    assert torch.equal(full, half)


def test_more_images_than_are_copied_at_once_all_get_their_features(prepared: Prepared, backbone: Backbone) -> None:
    data = prepared.data
    positions = [number % len(data.train) for number in range(4200)]
    targets = data.train_targets[positions]
    many = dataclasses.replace(data, train=data.train.select(positions), train_targets=targets)
    body = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten())
    model = Classifier(dataclasses.replace(backbone, body=body, embedding_dim=12), class_count=3)
    recipe = dataclasses.replace(RECIPE, head=HeadRecipe(views=1))
    features = extract_features(model, many, recipe, cpu_session(many))
    few = extract_features(model, data, recipe, cpu_session(data))
    assert torch.equal(features[:, : len(data.train)], few)  # the first images have the same random numbers
    assert (features.abs().sum(dim=2) > 0).all()


@pytest.mark.parametrize("broken", [float("nan"), float("inf"), 1e6])
def test_features_that_are_not_finite_are_reported(prepared: Prepared, backbone: Backbone, broken: float) -> None:
    body = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 4))
    nn.init.constant_(body[2].bias, broken)  # a million does not fit fp16, in which features are kept
    count = 2 * len(prepared.data.train)
    message = rf"features of {count} of {count} views are not finite; are the weights \(weights\.pt\) right\?"
    with pytest.raises(FitError, match=message + r".* try `precision='fp32'`"):
        features_of(
            prepared,
            dataclasses.replace(backbone, body=body, embedding_dim=4),
            dataclasses.replace(RECIPE, weights="weights.pt"),
        )


def test_a_head_whose_loss_is_not_finite_is_reported(prepared: Prepared, backbone: Backbone) -> None:
    model, features = Classifier(backbone, class_count=3), features_of(prepared, backbone)
    with torch.no_grad():
        model.head.bias.fill_(np.nan)
    with pytest.raises(FitError, match=r"loss of the head became nan in epoch 1 at a head\.lr of 0\.01; try a tenth"):
        fit_head(model, features, prepared.data, RECIPE, cpu_session(prepared.data))


@pytest.mark.parametrize("smoothing", [0.0, 0.4])
def test_the_loss_of_the_head_smooths_labels_as_the_recipe_asks(
    prepared: Prepared, backbone: Backbone, smoothing: float
) -> None:
    model, features = trained_classifier(backbone), features_of(prepared, backbone)
    recipe = dataclasses.replace(RECIPE, label_smoothing=smoothing)
    learner = HeadLearner(model, features, prepared.data, recipe)
    views, positions = learner.start_epoch(0)[0]
    logits = model.head(features[views, positions].float())
    targets = torch.from_numpy(prepared.data.train_targets[positions])
    expected = F.cross_entropy(logits, targets, label_smoothing=smoothing)
    assert learner.step((views, positions), lr=1e-3, momentum=0.9).item() == pytest.approx(expected.item(), rel=1e-6)


def test_the_head_is_trained_with_the_dropout_of_the_recipe(prepared: Prepared, backbone: Backbone) -> None:
    model, features = trained_classifier(backbone), features_of(prepared, backbone)

    def loss(dropout: float) -> float:
        learner = HeadLearner(model, features, prepared.data, dataclasses.replace(RECIPE, dropout=dropout))
        picks = learner.start_epoch(0)[0]
        return learner.step(picks, lr=1e-3, momentum=0.9).item()

    assert loss(0.0) != loss(0.5) == loss(0.5)


def test_the_weight_decay_of_the_recipe_shrinks_the_weights_of_the_head_and_not_its_biases(
    prepared: Prepared, backbone: Backbone
) -> None:
    """AdamW (Loshchilov and Hutter 2017): each step subtracts lr x weight decay x the weight."""
    model, features = trained_classifier(backbone), features_of(prepared, backbone)
    nn.init.constant_(model.head.bias, 0.5)

    def step(weight_decay: float) -> nn.Linear:
        head = dataclasses.replace(RECIPE.head, weight_decay=weight_decay)
        learner = HeadLearner(model, features, prepared.data, dataclasses.replace(RECIPE, head=head))
        learner.step(learner.start_epoch(0)[0], lr=0.1, momentum=0.9)
        return learner.head

    free, decayed = step(0.0), step(0.5)
    assert torch.equal(free.bias, decayed.bias)
    assert torch.allclose(free.weight - decayed.weight, 0.1 * 0.5 * model.head.weight, atol=1e-6)
    assert model.head.weight.abs().max() > 0.1
