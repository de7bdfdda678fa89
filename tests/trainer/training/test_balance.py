from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.training import cpu_session
from trainer.data import Prepared
from trainer.model import Backbone, Classifier
from trainer.recipe import FinetuneRecipe, HeadRecipe, Recipe
from trainer.training.balance import epoch_order, image_weights
from trainer.training.batches import Batches
from trainer.training.head import extract_features, fit_head
from trainer.training.metrics import activate

RARE = 2  # the class with few images


@pytest.fixture
def uneven(prepared: Prepared) -> Prepared:
    """All images of one class, most of another, two of the third."""
    targets = prepared.data.train_targets
    kept = [*np.flatnonzero(targets != RARE), *np.flatnonzero(targets == RARE)[:2]]
    data = dataclasses.replace(
        prepared.data,
        train=prepared.data.train.select([int(position) for position in kept]),
        train_targets=targets[kept],
    )
    return dataclasses.replace(prepared, data=data)


def test_all_classes_weigh_the_same_and_the_mean_is_one() -> None:
    weights = image_weights(np.array([0, 0, 0, 2]), task="classification")
    assert weights == pytest.approx([2 / 3, 2 / 3, 2 / 3, 2])


def test_an_image_weighs_as_its_rarest_label_and_no_label_is_a_class_of_its_own() -> None:
    targets = np.array([[1, 0], [1, 1], [1, 0], [0, 0], [0, 0], [1, 0]], dtype=np.float32)
    weights = image_weights(targets, task="multilabel")
    # The first label has 4 images, the second 1, and 2 images have none.
    rarity = np.array([1 / 4, 1, 1 / 4, 1 / 2, 1 / 2, 1 / 4])
    assert weights == pytest.approx(rarity / rarity.mean())
    assert weights.mean() == pytest.approx(1)


def test_without_weights_an_epoch_is_a_permutation_of_the_images() -> None:
    order = epoch_order(50, random=np.random.default_rng(3))
    assert order.tolist() == np.random.default_rng(3).permutation(50).tolist()


@settings(deadline=None)
@given(seed=st.integers(0, 1000), weights=st.lists(st.floats(0.01, 100), min_size=1, max_size=60))
def test_each_image_is_drawn_in_proportion_to_its_weight(seed: int, weights: list[float]) -> None:
    count = len(weights)
    order = epoch_order(count, random=np.random.default_rng(seed), weights=np.array(weights))
    assert len(order) == len(set(order.tolist())) == count  # no two draws share their random numbers
    draws = np.bincount(order % count, minlength=count)
    due = np.array(weights) * count / sum(weights)
    assert (draws >= np.floor(due - 1e-6)).all()
    assert (draws <= np.ceil(due + 1e-6)).all()
    for image in np.unique(order % count):
        repeats = sorted(order[order % count == image] // count)
        assert repeats == list(range(len(repeats)))


def test_the_sampler_shows_all_classes_equally_often_and_augments_each_draw_differently(uneven: Prepared) -> None:
    recipe = Recipe(balance="sampler", finetune=FinetuneRecipe(batch_size=8))
    count = len(uneven.data.train)
    batches = Batches(uneven.data, recipe, cpu_session(uneven.data))
    samples = np.concatenate(batches.of_epoch(0))
    shown = np.bincount(uneven.data.train_targets[samples % count])
    assert max(shown) - min(shown) <= 2
    assert (
        samples.tolist() == np.concatenate(Batches(uneven.data, recipe, cpu_session(uneven.data)).of_epoch(0)).tolist()
    )
    assert samples.tolist() != np.concatenate(batches.of_epoch(1)).tolist()
    image = samples[samples >= count][0] % count
    twice = batches.load(np.array([image, image + count]), slice(0, 2), mix=None, epoch=0, size=32)
    assert not torch.equal(twice.pixels[0], twice.pixels[1])


@pytest.mark.parametrize("balance", ["sampler", "loss"])
def test_a_balanced_head_gives_a_rare_class_a_higher_probability(
    uneven: Prepared, backbone: Backbone, balance: str
) -> None:
    """After a short training its probabilities still show how often it saw each class."""
    recipe = Recipe(head=HeadRecipe(epochs=2, views=1, lr=1e-3, batch_size=8), dropout=0)
    model, session = Classifier(backbone, class_count=3), cpu_session(uneven.data)
    features = extract_features(model, uneven.data, recipe, session)

    def probability_of_rare(recipe: Recipe) -> float:
        torch.nn.init.zeros_(model.head.weight)
        torch.nn.init.zeros_(model.head.bias)
        fit_head(model, features, uneven.data, recipe, session)
        logits = model.head(features[0].float()).detach().numpy()
        return float(activate(logits, "classification")[:, RARE].mean())

    balanced = dataclasses.replace(recipe, balance=balance)
    assert probability_of_rare(balanced) > probability_of_rare(recipe)


@pytest.mark.parametrize("task", ["classification", "multilabel"])
def test_the_loss_of_a_batch_counts_each_image_by_its_weight(prepared: Prepared, tagged: Prepared, task: str) -> None:
    data = (prepared if task == "classification" else tagged).data
    batches = Batches(data, Recipe(balance="loss"), cpu_session(data))
    samples = batches.of_epoch(0)[0]
    weights = batches.load(samples, slice(0, len(samples)), mix=None, epoch=0, size=32).weights
    assert weights is not None
    assert weights.numpy() == pytest.approx(image_weights(data.train_targets, task=data.task)[samples], rel=1e-6)
