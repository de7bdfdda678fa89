from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from trainer.data import Prepared, augment
from trainer.recipe import FinetuneRecipe, Recipe
from trainer.training.balance import image_weights
from trainer.training.batches import Batch, Batches

CPU = torch.device("cpu")
MIXED = Recipe(finetune=FinetuneRecipe(batch_size=12, mixup=0.4, cutmix=1.0), balance="loss")


def test_a_plain_batch_is_the_augmented_images_and_their_targets(prepared: Prepared) -> None:
    recipe, data = Recipe(seed=4), prepared.data
    batches = Batches(data, recipe, device=CPU)
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
    """A partner in another part is shown as it is there."""
    data = (prepared if task == "classification" else tagged).data
    batches = Batches(data, MIXED, device=CPU)
    samples = batches.of_epoch(0)[0]
    count = len(samples)
    mix = batches.draw_mix(7, count, size=32)
    assert mix is not None

    def load(part: slice) -> Batch:
        return batches.load(samples, part, mix=mix, epoch=0, size=32)

    whole, parts = load(slice(0, count)), [load(slice(0, 3)), load(slice(3, 4)), load(slice(4, count))]
    assert whole.pixels.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(whole.pixels, torch.cat([part.pixels for part in parts]))
    assert torch.equal(whole.targets, torch.cat([part.targets for part in parts]))
    assert whole.targets.shape == (count, 3)
    for batch in (whole, *parts):
        assert batch.weights is not None
    assert torch.equal(whole.weights, torch.cat([part.weights for part in parts]))  # type: ignore[arg-type]


def test_mixed_pixels_keep_their_shares_where_targets_are_balanced(prepared: Prepared) -> None:
    data = dataclasses.replace(prepared.data, train_targets=np.minimum(prepared.data.train_targets, 1))
    plain, balanced = (
        Batches(data, dataclasses.replace(MIXED, balance=balance), device=CPU) for balance in ("none", "loss")
    )
    samples = plain.of_epoch(0)[0]
    mix = plain.draw_mix(7, len(samples), size=32)
    assert mix is not None
    one, other = (each.load(samples, slice(0, len(samples)), mix=mix, epoch=0, size=32) for each in (plain, balanced))
    assert torch.equal(one.pixels, other.pixels)
    assert other.weights is not None
    weights = image_weights(data.train_targets, task=data.task)[samples]
    labels = np.eye(3)[data.train_targets[samples]]
    expected = (mix.shares * weights)[:, None] * labels
    expected += ((1 - mix.shares) * weights[mix.partners])[:, None] * labels[mix.partners]
    assert (other.weights[:, None] * other.targets).numpy() == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_steps_are_mixed_each_in_its_own_way_and_always_the_same(prepared: Prepared) -> None:
    first, again = (Batches(prepared.data, MIXED, device=CPU).draw_mix(3, 8, size=32) for _ in range(2))
    other = Batches(prepared.data, MIXED, device=CPU).draw_mix(4, 8, size=32)
    seeded = Batches(prepared.data, dataclasses.replace(MIXED, seed=1), device=CPU).draw_mix(3, 8, size=32)
    assert first is not None
    for mix, same in ((again, True), (other, False), (seeded, False)):
        assert mix is not None
        assert np.array_equal(first.shares, mix.shares) == same
