"""Both stages on generated images: which weights are the result, what is recorded, and when training stops."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.support.photos import write_folder
from tests.support.training import CPU, RecordedProgress, cpu_session, fit_into, read_events
from trainer.catalog import read_catalog
from trainer.data import Decoding, Prepared, prepare
from trainer.errors import FitError
from trainer.model import Backbone, Classifier, load_backbone
from trainer.recipe import FinetuneRecipe, Freeze, HeadRecipe, Recipe, Sizes
from trainer.run import RunFolder
from trainer.training.checkpoint import load_state, load_tensors, save_tensors
from trainer.training.finetune import Finetuner
from trainer.training.loop import build_on_device
from trainer.training.schedule import OneCycle

RECIPE = Recipe(head=HeadRecipe(epochs=20, batch_size=8), finetune=FinetuneRecipe(epochs=2, batch_size=8, lr=0.01))
# A learning rate that ruins the network after a good head stage.
RUINOUS = dataclasses.replace(
    RECIPE, finetune=FinetuneRecipe(epochs=6, batch_size=4, lr=5.0, lr_spread=1.0, ema_decay=0.0)
)


def with_finetune(recipe: Recipe, **changes: object) -> Recipe:
    return dataclasses.replace(recipe, finetune=dataclasses.replace(recipe.finetune, **changes))  # type: ignore[arg-type]


def test_the_best_weights_are_the_result_not_the_last(prepared: Prepared, backbone: Backbone, tmp_path: Path) -> None:
    """Here they are those of the head stage."""
    fitted = fit_into(tmp_path, backbone, prepared.data, with_finetune(RUINOUS, epochs=2))
    epochs = read_events(tmp_path, "epoch")
    assert [event["stage"] for event in epochs] == ["head", "finetune", "finetune"]
    assert epochs[0]["best"]
    best = max(event["valid"]["accuracy"] for event in epochs)
    assert fitted.metrics["accuracy"] == best
    assert best > min(event["valid"]["accuracy"] for event in epochs)
    assert [event["stage"] for event in read_events(tmp_path, "stage")] == ["features", "head", "finetune"]
    assert set(fitted.stage_seconds) == {"features", "head", "finetune"}


def test_without_epochs_of_fine_tuning_the_head_is_the_result(
    prepared: Prepared, backbone: Backbone, tmp_path: Path
) -> None:
    progress = RecordedProgress()
    fitted = fit_into(tmp_path, backbone, prepared.data, with_finetune(RECIPE, epochs=0), progress=progress)
    assert fitted.metrics["accuracy"] > 0.9
    assert progress.infos
    assert not progress.warnings  # of too few training steps


def test_few_steps_are_warned_about(prepared: Prepared, backbone: Backbone, tmp_path: Path) -> None:
    progress, recipe = RecordedProgress(), dataclasses.replace(RECIPE, head=HeadRecipe(epochs=0))
    fit_into(tmp_path, backbone, prepared.data, with_finetune(recipe, epochs=1, batch_size=32), progress=progress)
    assert progress.warnings == ["only 1 training step; more `epochs` or a smaller `batch_size` may help"]


def test_every_step_and_every_epoch_is_recorded(prepared: Prepared, backbone: Backbone, tmp_path: Path) -> None:
    fit_into(tmp_path, backbone, prepared.data, RECIPE)
    steps, schedule = read_events(tmp_path, "step"), OneCycle(steps=8, max_lr=0.01)
    assert [(event["lr"], event["momentum"]) for event in steps] == [schedule.at(number) for number in range(8)]
    assert [event["epoch"] for event in steps] == [1] * 4 + [2] * 4
    epochs = read_events(tmp_path, "epoch")[1:]
    for event in epochs:
        losses = [step["loss"] for step in steps if step["epoch"] == event["epoch"]]
        assert event["train_loss"] == pytest.approx(np.mean(losses))
        assert event["images_per_second"] > 0


def test_fine_tuning_on_few_photos_keeps_what_the_head_reached(tmp_path: Path) -> None:
    """29 photos, three steps: with 4e-3, which is right for many steps, fewer than half of them were classified."""
    backbone = load_backbone("efficientnet_lite0", size=32)
    catalog = read_catalog(write_folder(tmp_path / "photos"))
    prepared = prepare(catalog, backbone.pixels, seed=0, decoding=Decoding(tmp_path / "cache", threads=1))
    progress, recipe = RecordedProgress(), Recipe(finetune=FinetuneRecipe(epochs=3))
    fit_into(tmp_path, backbone, prepared.data, recipe, progress=progress)
    head, *_, last = read_events(tmp_path, "epoch")
    assert head["valid"]["accuracy"] == last["valid"]["accuracy"] == 1.0
    max_lr = recipe.finetune.max_lr(steps=3, after_head=True)
    steps, schedule = read_events(tmp_path, "step"), OneCycle(steps=3, max_lr=max_lr)
    assert [event["lr"] for event in steps] == [schedule.at(number)[0] for number in range(3)]
    assert (
        "learning rate of at most 1e-05 instead of 0.004, because there are only 3 steps in 3 epochs; give `lr` for "
        "another one"
    ) in progress.infos


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(finetune=FinetuneRecipe(epochs=2, lr=4e-3)),
        Recipe(finetune=FinetuneRecipe(epochs=2), head=HeadRecipe(epochs=0)),
        Recipe(finetune=FinetuneRecipe(epochs=30, batch_size=16)),
    ],
    ids=["typed", "without a head stage", "enough steps"],
)
def test_the_lr_is_not_lowered(prepared: Prepared, backbone: Backbone, tmp_path: Path, recipe: Recipe) -> None:
    progress = RecordedProgress()
    fit_into(tmp_path, backbone, prepared.data, recipe, progress=progress)
    steps = read_events(tmp_path, "step")
    schedule = OneCycle(steps=len(steps), max_lr=4e-3)
    assert [(event["lr"], event["momentum"]) for event in steps] == [schedule.at(n) for n in range(len(steps))]
    assert not [info for info in progress.infos if "instead of" in info]


def test_what_changes_between_epochs_is_recorded(prepared: Prepared, backbone: Backbone, tmp_path: Path) -> None:
    recipe = dataclasses.replace(RECIPE, head=HeadRecipe(epochs=1))
    fit_into(tmp_path, backbone, prepared.data, with_finetune(recipe, epochs=3, freeze=Freeze.parse("late:1,early:2")))
    assert read_events(tmp_path, "change") == [
        {"event": "change", "epoch": 1, "size": 32, "frozen": ["early", "late"]},
        {"event": "change", "epoch": 2, "size": 32, "frozen": ["early"]},
        {"event": "change", "epoch": 3, "size": 32, "frozen": []},
    ]


def test_the_network_sees_each_size_for_its_epochs(prepared: Prepared, backbone: Backbone, tmp_path: Path) -> None:
    recipe = Recipe(head=HeadRecipe(epochs=0), finetune=FinetuneRecipe(sizes=Sizes.parse("16:1,40:2"), batch_size=32))
    sides: list[int] = []
    backbone.body.register_forward_pre_hook(lambda module, given: sides.append(given[0].shape[-1]))
    fit_into(tmp_path, backbone, prepared.data, recipe)
    assert [side for side in sides if side != 32] == [16, 40, 40]  # 32: the validation images
    assert [(event["epoch"], event["size"]) for event in read_events(tmp_path, "change")] == [(1, 16), (2, 40)]


def test_training_stops_early_and_the_best_epoch_is_the_result(
    prepared: Prepared, backbone: Backbone, tmp_path: Path
) -> None:
    fitted = fit_into(tmp_path, backbone, prepared.data, with_finetune(RUINOUS, patience=2))
    epochs = read_events(tmp_path, "epoch")
    assert [event["epoch"] for event in epochs] == [0, 1, 2]
    assert fitted.metrics["accuracy"] == epochs[0]["valid"]["accuracy"]
    assert read_events(tmp_path, "stop") == [{"event": "stop", "stage": "finetune", "epoch": 2, "wait": 2}]
    assert read_events(tmp_path, "stage")[-1]["stage"] == "finetune"


def test_a_resumed_run_waits_no_longer_for_a_better_epoch(
    prepared: Prepared, backbone: Backbone, tmp_path: Path
) -> None:
    """Neither from its last state, in which training is over, nor from the one before."""
    recipe, last = with_finetune(RUINOUS, patience=2), RunFolder(tmp_path).last
    fit_into(tmp_path, backbone, prepared.data, recipe)
    before = read_events(tmp_path, "epoch")
    fit_into(tmp_path, backbone, prepared.data, recipe)
    assert read_events(tmp_path, "epoch") == before
    assert len(read_events(tmp_path, "stop")) == 1
    save_tensors(last, load_tensors(last), {**load_state(last), "wait": 1})
    fit_into(tmp_path, backbone, prepared.data, with_finetune(recipe, epochs=8))
    assert [event["epoch"] for event in read_events(tmp_path, "epoch")] == [0, 1, 2, 3]


def test_a_loss_that_is_not_finite_ends_the_training(prepared: Prepared, backbone: Backbone, tmp_path: Path) -> None:
    with torch.no_grad():
        next(backbone.body.parameters()).fill_(float("nan"))
    recipe = dataclasses.replace(RECIPE, head=HeadRecipe(epochs=0))
    with pytest.raises(FitError, match="the loss became nan in epoch 1; try a tenth of the learning rate, `lr`"):
        fit_into(tmp_path, backbone, prepared.data, recipe)
    assert not RunFolder(tmp_path).best.exists()


class Exploding(OneCycle):
    """From the third step on a learning rate that no recipe may have; else so small a network only becomes useless."""

    def at(self, step: int) -> tuple[float, float]:
        """Learning rate and momentum."""
        return 1e-3 if step < 2 else 1e30, 0.9


def test_a_loss_that_becomes_infinite_leaves_the_last_finite_state(
    prepared: Prepared, backbone: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broken weights must not replace it, or no version could resume the run."""
    run, recipe = RunFolder(tmp_path), dataclasses.replace(RECIPE, checkpoint_s=0, precision="fp32")
    monkeypatch.setattr("trainer.training.finetune.OneCycle", Exploding)
    with pytest.raises(FitError, match=r"the loss became .* in epoch 1; try a tenth of the learning rate, `lr`"):
        fit_into(tmp_path, backbone, prepared.data, recipe)
    state = load_state(run.last)
    assert state["step"] == 3
    assert np.isfinite(state["losses"]).all()
    assert run.best.exists()
    finetuner = Finetuner(Classifier(backbone, class_count=3), prepared.data, recipe, cpu_session(prepared.data))
    finetuner.load_state_dict(load_tensors(run.last), state)


def test_predictions_that_are_not_finite_end_the_training(
    prepared: Prepared, backbone: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No weights are kept that predict nothing."""

    def spoil(model: Classifier, *given: object) -> None:
        torch.nn.init.constant_(model.head.bias, float("nan"))

    monkeypatch.setattr("trainer.training.loop.fit_head", spoil)
    with pytest.raises(FitError, match="predictions of the network are not finite any more; try a tenth of the `lr`"):
        fit_into(tmp_path, backbone, prepared.data, RECIPE)
    assert not RunFolder(tmp_path).best.exists()


@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_the_model_has_the_classes_of_the_data_and_the_dropout_of_the_recipe(
    prepared: Prepared, backbone: Backbone, dropout: float
) -> None:
    model = build_on_device(backbone, prepared.data, dataclasses.replace(RECIPE, dropout=dropout), CPU)
    assert model.dropout == dropout
    assert model.head.out_features == prepared.data.class_count == 3
    assert next(model.body.parameters()).is_contiguous(memory_format=torch.channels_last)
