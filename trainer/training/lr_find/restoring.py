"""Trying something on a model without leaving a trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def restoring_state(model: nn.Module) -> Iterator[None]:
    """Restore a model and torch's random number generators at the end, to the last bit, even after an error.

    Of the model: weights and buffers, which weights are trained, their gradients, the mode of every module. Of torch:
    the generators of the CPU and of every GPU. Create an optimizer inside, and leave it there.
    """
    tensors = {name: tensor.detach().clone() for name, tensor in _tensors(model)}
    weights = [(weight, weight.requires_grad, weight.grad) for weight in model.parameters()]
    modes = [(module, module.training) for module in model.modules()]
    generators = _generator_states()
    for weight in model.parameters():
        weight.grad = None  # the present gradients are kept aside, and nothing is added to them
    try:
        yield
    finally:
        with torch.no_grad():
            for name, tensor in _tensors(model):
                tensor.copy_(tensors[name])
        for weight, requires_grad, gradient in weights:
            weight.requires_grad_(requires_grad)
            weight.grad = gradient
        for module, mode in modes:
            module.training = mode
        _set_generator_states(generators)


def _tensors(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    yield from model.named_parameters()
    yield from model.named_buffers()


def _generator_states() -> dict[str, torch.Tensor]:
    """The state of every generator that `torch.manual_seed` seeds; a GPU that is not used is not initialized."""
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        states |= {f"cuda:{number}": state for number, state in enumerate(torch.cuda.get_rng_state_all())}
    if torch.backends.mps.is_available():
        states["mps"] = torch.mps.get_rng_state()
    return states


def _set_generator_states(states: dict[str, torch.Tensor]) -> None:
    for name, state in states.items():
        if name == "cpu":
            torch.set_rng_state(state)
        elif name == "mps":
            torch.mps.set_rng_state(state)
        else:
            torch.cuda.set_rng_state(state, name)
