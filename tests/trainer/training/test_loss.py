from __future__ import annotations

import numpy as np
import pytest
import torch

from service.bundle.spec import Task
from trainer.training.loss import compute_loss, seed_torch

LOGITS = torch.tensor([[2.0, 0.5, -1.0], [0.0, 1.0, 0.0]])


def test_the_classification_loss_is_cross_entropy_with_smoothed_labels() -> None:
    """Szegedy et al. 2015: the label keeps 1 - smoothing, and the rest is divided among all classes."""
    targets = torch.tensor([0, 2])
    smoothed = 0.7 * np.eye(3)[targets] + 0.3 / 3
    expected = -(smoothed * torch.log_softmax(LOGITS, dim=1).numpy()).sum(axis=1).mean()
    loss = compute_loss(LOGITS, targets, task="classification", smoothing=0.3)
    assert loss.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_the_multilabel_loss_is_binary_cross_entropy_without_smoothing(smoothing: float) -> None:
    targets = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
    probabilities = torch.sigmoid(LOGITS)
    expected = -torch.where(targets > 0, probabilities.log(), (1 - probabilities).log()).mean()
    loss = compute_loss(LOGITS, targets, task="multilabel", smoothing=smoothing)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize(
    ("task", "targets"),
    [("classification", torch.tensor([0, 2])), ("multilabel", torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]]))],
)
def test_each_image_counts_by_its_weight(task: Task, targets: torch.Tensor) -> None:
    first, second = (
        compute_loss(LOGITS[[number]], targets[[number]], task=task, smoothing=0.1).item() for number in range(2)
    )
    loss = compute_loss(LOGITS, targets, task=task, smoothing=0.1, weights=torch.tensor([0.5, 3.0]))
    assert loss.item() == pytest.approx((0.5 * first + 3 * second) / 2, rel=1e-6)


def test_random_numbers_of_torch_come_from_the_keys_alone() -> None:
    def draw(*keys: int) -> list[float]:
        seed_torch(*keys)
        return torch.rand(4).tolist()

    first = draw(1, 2, 3)
    assert draw(1, 2, 4) != first
    assert draw(1, 2, 3) == first
