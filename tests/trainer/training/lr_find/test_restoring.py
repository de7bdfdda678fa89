from __future__ import annotations

import pytest
import torch
from torch import nn

from trainer.training.lr_find.restoring import restoring_state


def network() -> nn.Sequential:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 2))
    model[1].eval()
    model[0].bias.requires_grad_(False)
    model(torch.randn(3, 4)).sum().backward()
    return model


def all_state(model: nn.Module) -> list[object]:
    weights = [(weight.clone(), weight.grad, weight.requires_grad) for weight in model.parameters()]
    gradients = [None if gradient is None else gradient.clone() for _, gradient, _ in weights]
    return [
        [(name, tensor.tolist()) for name, tensor in model.state_dict().items()],
        [None if gradient is None else gradient.tolist() for gradient in gradients],
        [requires_grad for *_, requires_grad in weights],
        [module.training for module in model.modules()],
        torch.get_rng_state().tolist(),
    ]


def spoil(model: nn.Module) -> None:
    """Everything that a sweep does to a model, and more."""
    torch.manual_seed(99)
    model.train()
    model.requires_grad_(True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=10.0)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.randn(16, 4)).square().sum().backward()
        optimizer.step()


def test_nothing_is_left_of_what_was_tried_inside() -> None:
    model = network()
    before = all_state(model)
    with restoring_state(model):
        spoil(model)
        assert all_state(model) != before
    assert all_state(model) == before


def test_nothing_is_left_after_an_error() -> None:
    model = network()
    before = all_state(model)

    def fail() -> None:
        with restoring_state(model):
            spoil(model)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert all_state(model) == before


def test_nothing_is_added_to_the_gradients_from_before() -> None:
    """If a step inside does not clear the gradients first."""
    model = network()
    before = all_state(model)
    with restoring_state(model):
        model(torch.randn(3, 4)).sum().backward()
    assert all_state(model) == before
