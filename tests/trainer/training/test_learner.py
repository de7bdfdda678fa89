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

from trainer.data import Prepared, TrainingData
from trainer.model import Backbone, Classifier
from trainer.progress import NoProgress
from trainer.recipe import FinetuneRecipe, Recipe
from trainer.training.finetune import Finetuner
from trainer.training.learner import lr_multipliers

CPU = torch.device("cpu")


def classifier(backbone: Backbone, recipe: Recipe, data: TrainingData) -> Classifier:
    torch.manual_seed(0)
    backbone = dataclasses.replace(backbone, body=copy.deepcopy(backbone.body))
    model = Classifier(backbone, class_count=data.class_count, dropout=recipe.dropout)
    torch.nn.init.normal_(model.head.weight, std=0.1)
    return model


def gradients(model: Classifier, data: TrainingData, recipe: Recipe) -> tuple[float, list[Tensor]]:
    """The loss of the first step and its gradients; the model stays as it is."""
    stage = Finetuner(model, data, recipe, size=32, device=CPU)
    loss = stage.begin_sweep(momentum=0.9, say=print)(0.0).item()
    return loss, [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]


def in_parts(recipe: Recipe, parts: int) -> Recipe:
    return dataclasses.replace(recipe, finetune=dataclasses.replace(recipe.finetune, accumulate=parts))


@pytest.mark.parametrize("task", ["classification", "multilabel"])
@pytest.mark.parametrize("stage", [{}, {"mixup": 0.4, "cutmix": 1.0}], ids=str)
@pytest.mark.parametrize("balance", ["none", "loss"])
@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_a_batch_in_parts_gives_the_gradient_of_the_batch(
    prepared: Prepared,
    tagged: Prepared,
    backbone: Backbone,
    task: str,
    stage: dict[str, float],
    balance: str,
    dropout: float,
) -> None:
    """Also of parts of unequal size, and with dropout: on a CPU each part draws on where the one before it ended."""
    data = (prepared if task == "classification" else tagged).data
    recipe = Recipe(finetune=FinetuneRecipe(batch_size=15, **stage), balance=balance, dropout=dropout)  # type: ignore[arg-type]
    model = classifier(backbone, recipe, data)
    loss, expected = gradients(model, data, recipe)
    for parts in (2, 4, 15):
        again, found = gradients(model, data, in_parts(recipe, parts))
        assert again == pytest.approx(loss, rel=1e-5)
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert torch.allclose(one, other, rtol=1e-3, atol=1e-5 * other.abs().max())


def stepped(model: Classifier, data: TrainingData, recipe: Recipe, *, scale: float) -> Finetuner:
    """A stage after one step that began with this scale of the loss, where it is scaled."""
    stage = Finetuner(model, data, recipe, size=32, device=CPU)
    tensors, facts = stage.state()
    stage.restore(tensors, {**facts, "scaler": facts["scaler"] and {**facts["scaler"], "scale": scale}})
    stage.begin_sweep(momentum=0.9, say=print)(1e-3)
    return stage


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_the_gradient_is_clipped_to_its_largest_norm(prepared: Prepared, backbone: Backbone, precision: str) -> None:
    def norm_after_update(clip_norm: float) -> float:
        # A small scale, or the first steps of fp16 would only look for one.
        recipe = Recipe(finetune=FinetuneRecipe(batch_size=8, clip_norm=clip_norm), precision=precision)
        model = classifier(backbone, recipe, prepared.data)
        stepped(model, prepared.data, recipe, scale=1.0)
        norms = [parameter.grad.norm() for parameter in model.parameters() if parameter.grad is not None]
        return float(torch.stack(norms).norm())

    free = norm_after_update(0)
    assert norm_after_update(free / 10) == pytest.approx(free / 10, rel=1e-3)
    assert norm_after_update(free * 10) == pytest.approx(free, rel=1e-3)


def test_a_gradient_that_overflows_in_fp16_is_not_taken(prepared: Prepared, backbone: Backbone) -> None:
    recipe = Recipe(finetune=FinetuneRecipe(batch_size=8, clip_norm=1.0), precision="fp16")
    model = classifier(backbone, recipe, prepared.data)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    stage = stepped(model, prepared.data, recipe, scale=2.0**40)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert stage.state()[1]["scaler"]["scale"] == 2.0**39


def test_rates_are_geometric_over_the_groups() -> None:
    assert lr_multipliers(100.0) == pytest.approx({"early": 0.01, "late": 0.1, "head": 1.0})
    assert lr_multipliers(1.0) == {"early": 1.0, "late": 1.0, "head": 1.0}


@pytest.mark.parametrize(
    ("pretrained", "asked", "spread"),
    [(True, 0.0, 10.0), (False, 0.0, 1.0), (True, 100.0, 100.0), (False, 100.0, 100.0)],
)
def test_a_spread_of_the_rates_counts_for_random_weights_too_where_it_was_asked(
    prepared: Prepared, backbone: Backbone, pretrained: bool, asked: float, spread: float
) -> None:
    """`--lr A:B` was passed over; Adam's first step is as long as the rate of the group."""
    stage = FinetuneRecipe(batch_size=8, weight_decay=0.0, **({"lr_spread": asked} if asked else {}))
    recipe = Recipe(finetune=stage, dropout=0.0)
    model = classifier(dataclasses.replace(backbone, pretrained=pretrained), recipe, prepared.data)
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    Finetuner(model, prepared.data, recipe, size=32, device=CPU).begin_sweep(momentum=0.9, say=print)(1e-3)
    moved = {name: float((weight.detach() - before[name]).abs().max()) for name, weight in model.named_parameters()}
    assert moved["head.weight"] == pytest.approx(1e-3, rel=0.02)
    assert moved["body.layers.0.weight"] == pytest.approx(1e-3 / spread, rel=0.02)


def test_a_state_of_another_precision_is_taken_up_in_fp16(prepared: Prepared, backbone: Backbone) -> None:
    """It has no scale of the loss: the run could not go on where the hardware was another."""
    recipe = Recipe(finetune=FinetuneRecipe(epochs=2, batch_size=8), precision="fp32")
    before = Finetuner(classifier(backbone, recipe, prepared.data), prepared.data, recipe, size=32, device=CPU)
    before.run_epoch(progress=NoProgress(), on_step=lambda: None)
    other = dataclasses.replace(recipe, precision="fp16")
    after = Finetuner(classifier(backbone, other, prepared.data), prepared.data, other, size=32, device=CPU)
    after.restore(*before.state())
    assert after.state()[1]["scaler"]["scale"] == 2.0**16
    assert np.isfinite(after.run_epoch(progress=NoProgress(), on_step=lambda: None).losses).all()
    assert after.done


def test_steps_that_fp16_left_out_are_told(prepared: Prepared, backbone: Backbone) -> None:
    """Most of a run at too high a rate changed no weight, and nobody heard of it."""
    recipe = Recipe(finetune=FinetuneRecipe(epochs=1, batch_size=4, lr=3.0, lr_spread=1), precision="fp16")
    stage = Finetuner(classifier(backbone, recipe, prepared.data), prepared.data, recipe, size=32, device=CPU)
    told: list[str] = []
    stage.run_epoch(
        progress=NoProgress(),
        on_step=lambda: None,
        on_event=lambda event, **values: told.append(values.get("text", "")),
    )
    assert re.search(
        r"\d of 8 steps were left out, since their gradients do not fit fp16; try --precision fp32", told[-1]
    )


class Backfiring(torch.autograd.Function):
    """Passes on what it gets, and fails on the way back, as a compiled graph can."""

    @staticmethod
    def forward(_: Any, tensor: Tensor) -> Tensor:
        return tensor.clone()

    @staticmethod
    def backward(_: Any, __: Tensor) -> Tensor:
        raise RuntimeError("backend='inductor' raised:\nno way back")


def test_a_compiled_network_that_fails_on_the_way_back_is_left(
    prepared: Prepared, backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a failure of the way there was met; the fit ended in a traceback."""
    monkeypatch.setattr(torch, "compile", lambda model: lambda pixels: Backfiring.apply(model(pixels)))
    said: list[str] = []
    losses = []
    for compiled in (False, True):
        recipe = Recipe(finetune=FinetuneRecipe(epochs=1, batch_size=8, compile=compiled))
        stage = Finetuner(classifier(backbone, recipe, prepared.data), prepared.data, recipe, size=32, device=CPU)
        losses.append(
            stage.run_epoch(
                progress=NoProgress(), on_step=lambda: None, on_event=lambda _, **values: said.append(values["text"])
            ).losses
        )
    assert losses[0] == losses[1]
    assert said == ["going on without --compile, which failed here: backend='inductor' raised:"]


def fit(photos: Path, run: Path, *more: str, **environment: str) -> str:
    """Fit by the command line in a process of its own, on one thread; returns what it said."""
    command = [sys.executable, "-m", "trainer", "fit", photos, "--out", run, "--cache", run.parent / "cache"]
    command += ["--backbone", "tiny", "--epochs", "2", "--batch-size", "8", "--device", "cpu", *more]
    variables = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run(command, check=True, capture_output=True, text=True, env=variables).stderr


@pytest.mark.slow
def test_a_machine_without_a_compiler_trains_without_and_says_so(photos: Path, tmp_path: Path) -> None:
    fit(photos, tmp_path / "plain")
    said = fit(photos, tmp_path / "run", "--compile", CXX="/nowhere/c++", TORCHINDUCTOR_CACHE_DIR=str(tmp_path / "c"))
    assert said.count("going on without --compile, which failed here") == 1
    weights = [(tmp_path / name / "checkpoints" / "best.safetensors").read_bytes() for name in ("plain", "run")]
    assert weights[0] == weights[1]


@pytest.mark.slow
def test_a_compiled_network_has_the_names_of_any_other(photos: Path, tmp_path: Path) -> None:
    fit(photos, tmp_path / "plain")
    said = fit(photos, tmp_path / "run", "--compile", "--freeze", "early:1")
    assert "without --compile" not in said
    from safetensors import safe_open

    for part in ("best", "last"):
        names = [
            set(safe_open(tmp_path / name / "checkpoints" / f"{part}.safetensors", "pt").keys())
            for name in ("plain", "run")
        ]
        assert names[0] == names[1]
    assert (tmp_path / "run" / "bundle" / "manifest.json").exists()
