from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from service.bundle.spec import Task
from trainer.training.loss import compute_loss
from trainer.training.mixing import Mix, draw_mix, mix_pixels, mix_targets, mix_weights


def mixed(mix: Mix, own: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    return mix_pixels(own, other, blends=torch.from_numpy(mix.blends), boxes=torch.from_numpy(mix.boxes))


def draw(count: int, *, mixup: float = 0.0, cutmix: float = 0.0, seed: int = 0, size: int = 32) -> Mix:
    return draw_mix(count, size=size, mixup=mixup, cutmix=cutmix, random=np.random.default_rng(seed))


def test_mixup_blends_whole_images_by_lambda() -> None:
    mix = draw(16, mixup=0.4)
    own, other = torch.full((16, 3, 32, 32), 200.0), torch.full((16, 3, 32, 32), 100.0)
    expected = 100 + 100 * torch.from_numpy(mix.lam).view(-1, 1, 1, 1)
    assert torch.allclose(mixed(mix, own, other), expected.expand(-1, 3, 32, 32))
    assert mix.lam.std() > 0.2  # Beta(0.4, 0.4) is not constant


@settings(deadline=None)
@given(alpha=st.floats(0.05, 20), seed=st.integers(0, 500), size=st.integers(16, 64))
def test_cutmix_pastes_a_box_and_lambda_is_the_fraction_of_the_other_pixels(alpha: float, seed: int, size: int) -> None:
    mix = draw(8, cutmix=alpha, seed=seed, size=size)
    out = mixed(mix, torch.ones(8, 3, size, size), torch.zeros(8, 3, size, size))
    assert set(out.unique().tolist()) <= {0.0, 1.0}
    assert out.mean(dim=(1, 2, 3)).numpy() == pytest.approx(mix.lam, abs=1e-5)
    for image, (left, top, right, bottom) in zip(out, mix.boxes, strict=True):
        assert not image[:, top:bottom, left:right].any()


def test_with_both_each_image_gets_one_of_them() -> None:
    mix = draw(400, mixup=0.4, cutmix=1.0)
    blended = mix.blends < 1
    assert 150 < blended.sum() < 250
    assert (mix.boxes[blended][:, 2:] == mix.boxes[blended][:, :2]).all()


def test_every_image_is_the_partner_of_one_image() -> None:
    assert sorted(draw(30, cutmix=1.0).partners) == list(range(30))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_of_a_mixed_image_is_the_mixed_loss(smoothing: float) -> None:
    """lambda x loss of its own label + (1 - lambda) x loss of its partner's, as in both papers."""
    random = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 4, generator=random)
    own, other = torch.tensor([0, 1, 2, 3, 0, 1]), torch.tensor([3, 2, 2, 0, 1, 1])
    lam = torch.rand(6, generator=random)
    targets = mix_targets(own, other, lam=lam, task="classification", class_count=4)
    expected = lam * F.cross_entropy(logits, own, label_smoothing=smoothing, reduction="none") + (
        1 - lam
    ) * F.cross_entropy(logits, other, label_smoothing=smoothing, reduction="none")
    loss = compute_loss(logits, targets, task="classification", smoothing=smoothing)
    assert loss.item() == pytest.approx(expected.mean().item(), rel=1e-5)


@pytest.mark.parametrize("task", ["classification", "multilabel"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_of_a_mixed_image_counts_each_label_by_the_weight_of_its_image(task: Task, smoothing: float) -> None:
    """Not by the mean weight of the two images."""
    random = torch.Generator().manual_seed(0)
    logits, lam = torch.randn(6, 4, generator=random), torch.rand(6, generator=random)
    first, second = (0.1 + 5 * torch.rand(6, generator=random) for _ in range(2))
    own, other = torch.tensor([0, 1, 2, 3, 0, 1]), torch.tensor([3, 2, 2, 0, 1, 1])
    if task == "multilabel":
        own, other = (torch.randint(0, 2, (6, 4), generator=random).float() for _ in range(2))

    def each(targets: torch.Tensor) -> torch.Tensor:
        parts = [
            compute_loss(logits[[number]], targets[[number]], task=task, smoothing=smoothing) for number in range(6)
        ]
        return torch.stack(parts)

    weights, lam_of_targets = mix_weights(first, second, lam=lam)
    targets = mix_targets(own, other, lam=lam_of_targets, task=task, class_count=4)
    expected = (lam * first * each(own) + (1 - lam) * second * each(other)).mean()
    loss = compute_loss(logits, targets, task=task, smoothing=smoothing, weights=weights)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_targets_of_several_labels_are_mixed_too() -> None:
    own, other = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 1.0]])
    targets = mix_targets(own, other, lam=torch.tensor([0.75]), task="multilabel", class_count=2)
    assert targets.tolist() == [[1.0, 0.25]]
