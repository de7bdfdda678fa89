"""Training on a GPU, if there is one: it learns, and never waits for the device between two steps."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from tests.support.training import RecordedProgress, fit_into
from trainer.data import Prepared
from trainer.model import Backbone, Classifier
from trainer.recipe import FinetuneRecipe, Freeze, HeadRecipe, Recipe, Sizes
from trainer.training.evaluate import predict_logits
from trainer.training.finetune import Finetuner
from trainer.training.head import extract_features, fit_head
from trainer.training.session import open_session

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
CUDA = torch.device("cuda")
RECIPE = Recipe(head=HeadRecipe(epochs=20, batch_size=8), finetune=FinetuneRecipe(epochs=4, batch_size=8, lr=0.01))


@pytest.mark.parametrize("precision", ["auto", "fp32", "fp16"])
def test_training_learns(prepared: Prepared, backbone: Backbone, tmp_path: Path, precision: str) -> None:
    recipe = dataclasses.replace(RECIPE, precision=precision)
    fitted = fit_into(tmp_path, backbone, prepared.data, recipe, device=CUDA)
    assert fitted.metrics["accuracy"] > 0.8


def test_the_head_is_trained_on_the_device_of_its_features(prepared: Prepared, backbone: Backbone) -> None:
    """Not on the CPU, while the GPU waits."""
    model, session = Classifier(backbone, class_count=3).to(CUDA), open_session(prepared.data.train, CUDA)
    features = extract_features(model, prepared.data, RECIPE, session)
    assert features.is_cuda
    fit_head(model, features, prepared.data, RECIPE, session)
    found = predict_logits(model, prepared.data.valid, device=CUDA).argmax(1)
    assert (found == prepared.data.valid_targets).mean() > 0.9


@pytest.mark.parametrize(
    "recipe",
    [
        RECIPE,
        dataclasses.replace(RECIPE, precision="fp16", finetune=dataclasses.replace(RECIPE.finetune, clip_norm=1.0)),
        dataclasses.replace(
            RECIPE, balance="loss", finetune=dataclasses.replace(RECIPE.finetune, mixup=0.4, cutmix=1.0, accumulate=3)
        ),
        dataclasses.replace(
            RECIPE, balance="sampler", finetune=dataclasses.replace(RECIPE.finetune, freeze=Freeze.parse("early"))
        ),
    ],
    ids=["plain", "scaled and clipped", "mixed in parts", "sampled and frozen"],
)
def test_no_step_waits_for_the_device(prepared: Prepared, backbone: Backbone, recipe: Recipe) -> None:
    model = Classifier(backbone, class_count=3).to(CUDA, memory_format=torch.channels_last)  # type: ignore[call-overload]
    session = open_session(prepared.data.train, CUDA)
    frozen = recipe.finetune.freeze.frozen_in(0)
    step = Finetuner(model, prepared.data, recipe, session).start_sweep(momentum=0.9, frozen=frozen)
    for _ in range(2):  # the first one allocates what is kept
        step(1e-3)
    torch.cuda.set_sync_debug_mode("error")
    try:
        step(1e-3)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_a_batch_that_the_gpu_cannot_hold_is_halved(prepared: Prepared, backbone: Backbone) -> None:
    """Its gradients are those of the whole batch."""
    model = Classifier(backbone, class_count=3).to(CUDA, memory_format=torch.channels_last)  # type: ignore[call-overload]
    torch.nn.init.normal_(model.head.weight, std=0.1)  # the loss of a head that is zero does not depend on the images
    recipe = dataclasses.replace(
        RECIPE, precision="fp32", finetune=FinetuneRecipe(sizes=Sizes(((320, 4),)), batch_size=64)
    )
    progress = RecordedProgress()
    session = open_session(prepared.data.train, CUDA, progress=progress)

    def step() -> tuple[float, list[torch.Tensor]]:
        finetuner = Finetuner(model, prepared.data, recipe, session)
        torch.cuda.reset_peak_memory_stats(CUDA)
        loss = float(finetuner.start_sweep(momentum=0.9)(0.0))
        return loss, [weight.grad.clone() for weight in model.parameters() if weight.grad is not None]

    loss, gradients = step()
    assert not progress.warnings
    fraction = 0.7 * torch.cuda.max_memory_allocated(CUDA) / torch.cuda.get_device_properties(CUDA).total_memory
    torch.cuda.empty_cache()
    first = torch.device("cuda", 0)  # the fraction is that of a GPU with a number
    torch.cuda.set_per_process_memory_fraction(fraction, first)
    try:
        loss_in_parts, found = step()
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, first)
    assert loss_in_parts == pytest.approx(loss, rel=1e-3)
    assert len(found) == len(gradients) > 0
    for one, other in zip(found, gradients, strict=True):
        assert other.abs().max() > 0
        assert torch.allclose(one, other, rtol=1e-2, atol=1e-2 * float(other.abs().max()))
    assert "out of memory with 29 images at once on cuda" in progress.warnings[0]
