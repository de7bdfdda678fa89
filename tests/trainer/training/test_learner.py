from __future__ import annotations

import copy
import dataclasses
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tests.support.training import RecordedProgress, copy_state, cpu_session, run_epoch
from trainer.data import Prepared, TrainingData
from trainer.model import Backbone, Classifier
from trainer.progress import Progress
from trainer.recipe import FinetuneRecipe, Recipe
from trainer.training.batches import Batches
from trainer.training.finetune import Finetuner
from trainer.training.learner import lr_multipliers


def classifier(backbone: Backbone, recipe: Recipe, data: TrainingData) -> Classifier:
    torch.manual_seed(0)
    backbone = dataclasses.replace(backbone, body=copy.deepcopy(backbone.body))
    model = Classifier(backbone, class_count=data.class_count, dropout=recipe.dropout)
    torch.nn.init.normal_(model.head.weight, std=0.1)
    return model


def start(model: Classifier, data: TrainingData, recipe: Recipe, *, progress: Progress | None = None) -> Finetuner:
    return Finetuner(model, data, recipe, cpu_session(data, progress=progress))


def gradients(model: Classifier, data: TrainingData, recipe: Recipe) -> tuple[float, list[Tensor]]:
    """The loss of the first step and its gradients; the learning rate is 0, so the model stays as it is."""
    loss = start(model, data, recipe).start_sweep(momentum=0.9)(0.0).item()
    return loss, [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]


def in_parts(recipe: Recipe, parts: int) -> Recipe:
    return dataclasses.replace(recipe, finetune=dataclasses.replace(recipe.finetune, accumulate=parts))


@pytest.mark.parametrize("task", ["classification", "multilabel"])
@pytest.mark.parametrize("mixing", [{}, {"mixup": 0.4, "cutmix": 1.0}], ids=str)
@pytest.mark.parametrize("balance", ["none", "loss"])
@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_a_batch_in_parts_has_the_gradient_of_the_whole_batch(
    prepared: Prepared,
    tagged: Prepared,
    backbone: Backbone,
    task: str,
    mixing: dict[str, float],
    balance: str,
    dropout: float,
) -> None:
    """Also in parts of unequal size, and with dropout: on a CPU each part continues the random numbers of the last."""
    data = (prepared if task == "classification" else tagged).data
    recipe = Recipe(finetune=FinetuneRecipe(batch_size=15, **mixing), balance=balance, dropout=dropout)  # type: ignore[arg-type]
    model = classifier(backbone, recipe, data)
    loss, expected = gradients(model, data, recipe)
    for parts in (2, 4, 15):
        loss_in_parts, found = gradients(model, data, in_parts(recipe, parts))
        assert loss_in_parts == pytest.approx(loss, rel=1e-5)
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert torch.allclose(one, other, rtol=1e-3, atol=1e-5 * other.abs().max())


def stepped(model: Classifier, data: TrainingData, recipe: Recipe, *, scale: float) -> Finetuner:
    """A Finetuner after one step that began with this scale of the loss, if the loss is scaled."""
    finetuner = start(model, data, recipe)
    tensors, values = finetuner.state_dict()
    scaler = values["scaler"] and {**values["scaler"], "scale": scale}
    finetuner.load_state_dict(tensors, {**values, "scaler": scaler})
    finetuner.start_sweep(momentum=0.9)(1e-3)
    return finetuner


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_the_gradient_is_clipped_to_its_largest_norm(prepared: Prepared, backbone: Backbone, precision: str) -> None:
    def norm_after_update(clip_norm: float) -> float:
        # A small scale, or the first steps in fp16 would be skipped until one is found.
        recipe = Recipe(finetune=FinetuneRecipe(batch_size=8, clip_norm=clip_norm), precision=precision)
        model = classifier(backbone, recipe, prepared.data)
        stepped(model, prepared.data, recipe, scale=1.0)
        norms = [parameter.grad.norm() for parameter in model.parameters() if parameter.grad is not None]
        return float(torch.stack(norms).norm())

    unclipped = norm_after_update(0)
    assert norm_after_update(unclipped / 10) == pytest.approx(unclipped / 10, rel=1e-3)
    assert norm_after_update(unclipped * 10) == pytest.approx(unclipped, rel=1e-3)


def test_a_step_whose_gradients_overflow_in_fp16_is_skipped(prepared: Prepared, backbone: Backbone) -> None:
    recipe = Recipe(finetune=FinetuneRecipe(batch_size=8, clip_norm=1.0), precision="fp16")
    model = classifier(backbone, recipe, prepared.data)
    before = copy_state(model)
    finetuner = stepped(model, prepared.data, recipe, scale=2.0**40)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert finetuner.state_dict()[1]["scaler"]["scale"] == 2.0**39


def test_learning_rates_are_geometric_over_the_groups() -> None:
    assert lr_multipliers(100.0) == pytest.approx({"early": 0.01, "late": 0.1, "head": 1.0})
    assert lr_multipliers(1.0) == {"early": 1.0, "late": 1.0, "head": 1.0}


@pytest.mark.parametrize(
    ("pretrained", "asked", "spread"),
    [(True, 0.0, 10.0), (False, 0.0, 1.0), (True, 100.0, 100.0), (False, 100.0, 100.0)],
)
def test_a_learning_rate_spread_holds_for_random_weights_too_if_it_was_asked(
    prepared: Prepared, backbone: Backbone, pretrained: bool, asked: float, spread: float
) -> None:
    """Adam's first step is as long as the learning rate of the group."""
    stage = FinetuneRecipe(batch_size=8, weight_decay=0.0, **({"lr_spread": asked} if asked else {}))
    recipe = Recipe(finetune=stage, dropout=0.0)
    model = classifier(dataclasses.replace(backbone, pretrained=pretrained), recipe, prepared.data)
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    start(model, prepared.data, recipe).start_sweep(momentum=0.9)(1e-3)
    moved = {name: float((weight.detach() - before[name]).abs().max()) for name, weight in model.named_parameters()}
    assert moved["head.weight"] == pytest.approx(1e-3, rel=0.02)
    assert moved["body.layers.0.weight"] == pytest.approx(1e-3 / spread, rel=0.02)


def test_the_weight_decay_of_the_recipe_shrinks_weights_and_not_biases_and_norms(
    prepared: Prepared, backbone: Backbone
) -> None:
    """AdamW (Loshchilov and Hutter 2017): each step subtracts lr x weight decay x the weight."""

    def step(weight_decay: float) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        recipe = Recipe(finetune=FinetuneRecipe(batch_size=8, lr_spread=1.0, weight_decay=weight_decay), dropout=0.0)
        model = classifier(backbone, recipe, prepared.data)
        torch.nn.init.constant_(model.head.bias, 0.5)
        before = copy_state(model)
        start(model, prepared.data, recipe).start_sweep(momentum=0.9)(0.01)
        return before, copy_state(model)

    (before, free), (_, decayed) = step(0.0), step(0.5)
    for name in ("head.weight", "body.layers.0.weight"):
        assert torch.allclose(free[name] - decayed[name], 0.01 * 0.5 * before[name], atol=1e-6)
    for name in ("head.bias", "body.layers.1.weight", "body.layers.1.bias"):
        assert torch.equal(free[name], decayed[name])
        assert not torch.equal(free[name], before[name])


@pytest.mark.parametrize("smoothing", [0.0, 0.4])
def test_the_loss_of_fine_tuning_smooths_labels_as_the_recipe_asks(
    prepared: Prepared, backbone: Backbone, smoothing: float
) -> None:
    recipe = Recipe(finetune=FinetuneRecipe(batch_size=8), dropout=0.0, label_smoothing=smoothing)
    data, model = prepared.data, classifier(backbone, recipe, prepared.data)
    batches = Batches(data, recipe, cpu_session(data))
    samples = batches.of_epoch(0)[0]
    batch = batches.load(samples, slice(0, len(samples)), mix=None, epoch=0, size=32)
    expected = F.cross_entropy(model(batch.pixels), batch.targets, label_smoothing=smoothing)
    assert gradients(model, data, recipe)[0] == pytest.approx(expected.item(), rel=1e-5)


def test_fine_tuning_has_the_dropout_of_the_recipe(prepared: Prepared, backbone: Backbone) -> None:
    def loss(dropout: float) -> float:
        recipe = Recipe(finetune=FinetuneRecipe(batch_size=8), dropout=dropout)
        return gradients(classifier(backbone, recipe, prepared.data), prepared.data, recipe)[0]

    assert loss(0.0) != loss(0.5) == loss(0.5)


def test_training_in_another_precision_continues_in_fp16(prepared: Prepared, backbone: Backbone) -> None:
    """Its checkpoint has no scale of the loss; a run must continue on other hardware."""
    recipe = Recipe(finetune=FinetuneRecipe(epochs=2, batch_size=8), precision="fp32")
    before = start(classifier(backbone, recipe, prepared.data), prepared.data, recipe)
    run_epoch(before)
    other = dataclasses.replace(recipe, precision="fp16")
    after = start(classifier(backbone, other, prepared.data), prepared.data, other)
    after.load_state_dict(*before.state_dict())
    assert after.state_dict()[1]["scaler"]["scale"] == 2.0**16
    assert np.isfinite(run_epoch(after).losses).all()
    assert after.is_done


def test_many_steps_that_fp16_skipped_are_warned_about(prepared: Prepared, backbone: Backbone) -> None:
    """At too high a learning rate most of a run changes no weight."""
    recipe = Recipe(finetune=FinetuneRecipe(epochs=1, batch_size=4, lr=3.0, lr_spread=1), precision="fp16")
    progress = RecordedProgress()
    run_epoch(start(classifier(backbone, recipe, prepared.data), prepared.data, recipe, progress=progress))
    assert re.fullmatch(
        r"\d of 8 steps were skipped because their gradients overflow in fp16; "
        r"try `precision='fp32'` or a smaller `lr`",
        progress.warnings[-1],
    )


class FailingBackward(torch.autograd.Function):
    """The identity, which fails in the backward pass, as a compiled graph can."""

    @staticmethod
    def forward(_: Any, tensor: Tensor) -> Tensor:
        return tensor.clone()

    @staticmethod
    def backward(_: Any, __: Tensor) -> Tensor:
        raise RuntimeError("backend='inductor' raised:\nno gradient")


def test_training_continues_without_a_compiled_network_that_fails_in_the_backward_pass(
    prepared: Prepared, backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "compile", lambda model: lambda pixels: FailingBackward.apply(model(pixels)))
    progress, losses = RecordedProgress(), []
    for compiled in (False, True):
        recipe = Recipe(finetune=FinetuneRecipe(epochs=1, batch_size=8, compile=compiled))
        finetuner = start(classifier(backbone, recipe, prepared.data), prepared.data, recipe, progress=progress)
        losses.append(run_epoch(finetuner).losses)
    assert losses[0] == losses[1]
    assert progress.warnings == ["continuing without `compile`, which failed here: backend='inductor' raised:"]


def fit(photos: Path, run: Path, *more: str, **environment: str) -> str:
    """Fit on the command line in a process of its own, on one thread; returns what it printed on standard error."""
    command = [sys.executable, "-m", "trainer", "fit", photos, "--out", run, "--cache", run.parent / "cache"]
    command += ["--backbone", "tiny", "--epochs", "2", "--batch-size", "8", "--device", "cpu", *more]
    variables = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run(command, check=True, capture_output=True, text=True, env=variables).stderr


@pytest.mark.slow
def test_a_machine_without_a_compiler_trains_without_it_and_warns(photos: Path, tmp_path: Path) -> None:
    fit(photos, tmp_path / "plain")
    printed = fit(
        photos, tmp_path / "run", "--compile", CXX="/nowhere/c++", TORCHINDUCTOR_CACHE_DIR=str(tmp_path / "c")
    )
    assert printed.count("continuing without --compile, which failed here") == 1
    weights = [(tmp_path / name / "checkpoints" / "best.safetensors").read_bytes() for name in ("plain", "run")]
    assert weights[0] == weights[1]


@pytest.mark.slow
def test_the_weights_of_a_compiled_network_have_the_usual_names(photos: Path, tmp_path: Path) -> None:
    fit(photos, tmp_path / "plain")
    printed = fit(photos, tmp_path / "run", "--compile", "--freeze", "early:1")
    assert "without --compile" not in printed
    from safetensors import safe_open

    for part in ("best", "last"):
        names = [
            set(safe_open(tmp_path / name / "checkpoints" / f"{part}.safetensors", "pt").keys())
            for name in ("plain", "run")
        ]
        assert names[0] == names[1]
    assert (tmp_path / "run" / "bundle" / "manifest.json").exists()
