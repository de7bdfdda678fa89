from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from tests.support.training import cpu_session
from trainer.data import Prepared, augment
from trainer.recipe import FinetuneRecipe, Recipe
from trainer.training.balance import image_weights
from trainer.training.batches import Batch, Batches
from trainer.training.mixing import Mix

MIXED = Recipe(finetune=FinetuneRecipe(batch_size=12, mixup=0.4, cutmix=1.0), balance="loss")


def test_a_plain_batch_is_the_augmented_images_and_their_targets(prepared: Prepared) -> None:
    recipe, data = Recipe(seed=4), prepared.data
    batches = Batches(data, recipe, cpu_session(data))
    samples = np.array([2, 5, 11])
    batch = batches.load(samples, slice(1, 3), mix=batches.draw_mix(0, 3, size=32), epoch=1, size=32)
    expected = augment(
        torch.from_numpy(data.train.batch(samples[1:])),
        data.train.aspects[samples[1:]],
        samples[1:],
        size=32,
        settings=recipe.augmentation,
        seed=4,
        epoch=1,
    )
    assert torch.equal(batch.pixels, expected)
    assert batch.targets.tolist() == data.train_targets[samples[1:]].tolist()
    assert batch.weights is None


@pytest.mark.parametrize("task", ["classification", "multilabel"])
def test_a_mixed_batch_is_the_same_in_one_part_and_in_several(prepared: Prepared, tagged: Prepared, task: str) -> None:
    """The partner of an image may be in another part."""
    data = (prepared if task == "classification" else tagged).data
    batches = Batches(data, MIXED, cpu_session(data))
    samples = batches.of_epoch(0)[0]
    count = len(samples)
    mix = batches.draw_mix(7, count, size=32)
    assert mix is not None

    def load(part: slice) -> Batch:
        return batches.load(samples, part, mix=mix, epoch=0, size=32)

    full, parts = load(slice(0, count)), [load(slice(0, 3)), load(slice(3, 4)), load(slice(4, count))]
    assert full.pixels.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(full.pixels, torch.cat([part.pixels for part in parts]))
    assert torch.equal(full.targets, torch.cat([part.targets for part in parts]))
    assert full.targets.shape == (count, 3)
    for batch in (full, *parts):
        assert batch.weights is not None
    assert torch.equal(full.weights, torch.cat([part.weights for part in parts]))  # type: ignore[arg-type]


def test_balancing_changes_the_targets_of_mixed_images_and_not_their_pixels(prepared: Prepared) -> None:
    data = dataclasses.replace(prepared.data, train_targets=np.minimum(prepared.data.train_targets, 1))
    plain, balanced = (
        Batches(data, dataclasses.replace(MIXED, balance=balance), cpu_session(data)) for balance in ("none", "loss")
    )
    samples = plain.of_epoch(0)[0]
    mix = plain.draw_mix(7, len(samples), size=32)
    assert mix is not None
    one, other = (each.load(samples, slice(0, len(samples)), mix=mix, epoch=0, size=32) for each in (plain, balanced))
    assert torch.equal(one.pixels, other.pixels)
    assert other.weights is not None
    weights = image_weights(data.train_targets, task=data.task)[samples]
    labels = np.eye(3)[data.train_targets[samples]]
    expected = (mix.lam * weights)[:, None] * labels
    expected += ((1 - mix.lam) * weights[mix.partners])[:, None] * labels[mix.partners]
    assert (other.weights[:, None] * other.targets).numpy() == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_the_mix_depends_on_step_and_seed_alone(prepared: Prepared) -> None:
    def draw(step: int, recipe: Recipe = MIXED) -> Mix:
        mix = Batches(prepared.data, recipe, cpu_session(prepared.data)).draw_mix(step, 8, size=32)
        assert mix is not None
        return mix

    first = draw(3)
    assert np.array_equal(draw(3).lam, first.lam)
    assert not np.array_equal(draw(4).lam, first.lam)
    assert not np.array_equal(draw(3, dataclasses.replace(MIXED, seed=1)).lam, first.lam)


def test_a_step_is_not_mixed_unless_it_was_asked(prepared: Prepared) -> None:
    assert Batches(prepared.data, Recipe(), cpu_session(prepared.data)).draw_mix(0, 8, size=32) is None
