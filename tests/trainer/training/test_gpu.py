"""The loop on a GPU, where there is one: it learns, and never waits for the device between two steps."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from trainer.data import Prepared
from trainer.model import Backbone, Classifier
from trainer.progress import NoProgress
from trainer.recipe import FinetuneRecipe, HeadRecipe, Recipe
from trainer.training.evaluate import predict_logits
from trainer.training.finetune import Finetuner
from trainer.training.head import extract_features, fit_head
from trainer.training.loop import fit

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
CUDA = torch.device("cuda")
RECIPE = Recipe(head=HeadRecipe(epochs=20, batch_size=8), finetune=FinetuneRecipe(epochs=4, batch_size=8, lr=0.01))


@pytest.mark.parametrize("precision", ["auto", "fp32", "fp16"])
def test_a_fit_learns(prepared: Prepared, backbone: Backbone, tmp_path: Path, precision: str) -> None:
    recipe = dataclasses.replace(RECIPE, precision=precision)
    fitted = fit(backbone, prepared.data, recipe, run=tmp_path, device=CUDA, progress=NoProgress())
    assert fitted.metrics["accuracy"] > 0.8


def test_the_head_learns_where_its_features_are(prepared: Prepared, backbone: Backbone) -> None:
    """It learned on the CPU while the GPU waited."""
    model = Classifier(backbone, class_count=3).to(CUDA)
    features = extract_features(model, prepared.data, RECIPE, size=32, device=CUDA, progress=NoProgress())
    assert features.is_cuda
    fit_head(model, features, prepared.data, RECIPE, progress=NoProgress())
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
        dataclasses.replace(RECIPE, balance="sampler", finetune=dataclasses.replace(RECIPE.finetune, freeze="early")),
    ],
    ids=["plain", "scaled and clipped", "mixed in parts", "sampled and frozen"],
)
def test_no_step_waits_for_the_device(prepared: Prepared, backbone: Backbone, recipe: Recipe) -> None:
    model = Classifier(backbone, class_count=3).to(CUDA, memory_format=torch.channels_last)  # type: ignore[call-overload]
    training = Finetuner(model, prepared.data, recipe, size=32, device=CUDA)
    step = training.begin_sweep(momentum=0.9, say=print)
    for _ in range(2):  # the first sets up what is kept
        step(1e-3)
    torch.cuda.set_sync_debug_mode("error")
    try:
        step(1e-3)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_a_batch_that_the_gpu_does_not_hold_is_halved(prepared: Prepared, backbone: Backbone) -> None:
    """Its gradients are those of the batch; a head that starts from nothing has one loss whatever it is shown."""
    model = Classifier(backbone, class_count=3).to(CUDA, memory_format=torch.channels_last)  # type: ignore[call-overload]
    torch.nn.init.normal_(model.head.weight, std=0.1)
    recipe = dataclasses.replace(RECIPE, precision="fp32", finetune=dataclasses.replace(RECIPE.finetune, batch_size=64))
    said: list[str] = []

    def step() -> tuple[float, list[torch.Tensor]]:
        training = Finetuner(model, prepared.data, recipe, size=320, device=CUDA)
        torch.cuda.reset_peak_memory_stats(CUDA)
        loss = float(training.begin_sweep(momentum=0.9, say=said.append)(0.0))
        return loss, [weight.grad.clone() for weight in model.parameters() if weight.grad is not None]

    loss, gradients = step()
    assert not said
    share = 0.7 * torch.cuda.max_memory_allocated(CUDA) / torch.cuda.get_device_properties(CUDA).total_memory
    torch.cuda.empty_cache()
    first = torch.device("cuda", 0)  # the fraction is that of a GPU with a number
    torch.cuda.set_per_process_memory_fraction(share, first)
    try:
        again, found = step()
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, first)
    assert again == pytest.approx(loss, rel=1e-3)
    assert len(found) == len(gradients) > 0
    for one, other in zip(found, gradients, strict=True):
        assert other.abs().max() > 0
        assert torch.allclose(one, other, rtol=1e-2, atol=1e-2 * float(other.abs().max()))
    assert "out of memory with 29 images at once on cuda" in said[0]
