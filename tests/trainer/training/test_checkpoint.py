from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import safetensors
import torch
from torch import nn

from tests.support.full_disk import no_file_over
from tests.support.training import CPU, RecordedProgress, copy_state, cpu_session, run_epoch
from trainer.data import Prepared
from trainer.errors import FitError
from trainer.model import Backbone, Classifier
from trainer.recipe import FinetuneRecipe, Recipe
from trainer.training.checkpoint import (
    BestCheckpoint,
    Checkpointer,
    TrainingState,
    load_state,
    load_tensors,
    load_weights,
    restore,
    save_tensors,
    save_weights,
)
from trainer.training.finetune import Finetuner
from trainer.training.history import History
from trainer.training.session import open_session

STATE = {"step": 3, "losses": [0.1, 1e-9], "scaler": {}, "best": {"loss": 0.25}}
RECIPE = Recipe(finetune=FinetuneRecipe(epochs=2, batch_size=8))


def test_tensors_and_values_come_back_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints" / "last.safetensors"
    tensors = {
        "plain": torch.arange(6.0).view(2, 3),
        "transposed": torch.arange(6.0).view(2, 3).t(),
        "half": torch.tensor([1.5], dtype=torch.bfloat16),
        "count": torch.tensor(7),
    }
    save_tensors(path, tensors, STATE)
    found = load_tensors(path)
    assert load_state(path) == STATE
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)


def test_weights_come_back_into_a_network_of_the_same_shape(tmp_path: Path) -> None:
    first, second = (nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)) for _ in range(2))
    save_weights(first, tmp_path / "best.safetensors")
    load_weights(second, tmp_path / "best.safetensors")
    assert all(torch.equal(tensor, second.state_dict()[name]) for name, tensor in first.state_dict().items())


def test_a_full_disk_leaves_the_file_as_it_was_and_the_error_names_it(tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    save_tensors(path, {"weight": torch.ones(4)}, STATE)
    before = path.read_bytes()
    with no_file_over(10_000), pytest.raises(OSError, match="File too large") as error:
        save_tensors(path, {"weight": torch.ones(40_000)}, STATE)
    assert error.value.filename == str(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_left_half_written_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    (tmp_path / ".last.safetensors.partial").write_bytes(b"half")
    save_tensors(path, {"weight": torch.ones(4)}, STATE)
    assert list(tmp_path.iterdir()) == [path]
    assert load_state(path) == STATE


@pytest.mark.parametrize("load", [load_state, load_tensors])
def test_a_file_that_is_cut_off_is_not_read(tmp_path: Path, load: object) -> None:
    path = tmp_path / "last.safetensors"
    save_tensors(path, {"weight": torch.ones(400)}, STATE)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(safetensors.SafetensorError):
        load(path)  # type: ignore[operator]


def test_the_best_weights_are_those_with_the_best_primary_metric_then_the_lowest_loss(
    prepared: Prepared, tmp_path: Path
) -> None:
    path = tmp_path / "best.safetensors"
    best = BestCheckpoint(path, task="classification", session=cpu_session(prepared.data))
    model, state = nn.Linear(1, 1), TrainingState()
    for number, (accuracy, loss, better) in enumerate(
        [(0.5, 1.0, True), (0.5, 1.0, False), (0.4, 0.1, False), (0.5, 0.9, True), (0.6, 2.0, True)]
    ):
        nn.init.constant_(model.weight, number)
        metrics = {"accuracy": accuracy, "loss": loss}
        assert best.update(model, metrics, state) == better
        assert (state.best is metrics) == better
        assert (load_tensors(path)["weight"].item() == number) == better


def test_a_checkpoint_restores_the_training_and_shortens_the_history(
    prepared: Prepared, backbone: Backbone, tmp_path: Path
) -> None:
    """Events that were written after the checkpoint come again, so they are removed."""
    path, progress = tmp_path / "last.safetensors", RecordedProgress()
    history = History(tmp_path / "history.jsonl")
    session = open_session(prepared.data.train, CPU, history=history, progress=progress)

    def start() -> Finetuner:
        return Finetuner(Classifier(backbone, class_count=3), prepared.data, RECIPE, session)

    finetuner = start()
    run_epoch(finetuner)
    history.event("epoch", epoch=1)
    state = TrainingState(stage_seconds={"head": 2.0, "finetune": 1.0}, best={"accuracy": 0.5}, wait=1)
    Checkpointer(path, every_s=60, session=session).save(finetuner, state)
    saved, content = copy_state(finetuner.model), (tmp_path / "history.jsonl").read_bytes()
    history.event("epoch", epoch=2)

    again = start()
    restored = restore(path, again, session)
    assert restored == state
    assert restored.stage_seconds["finetune"] > 1.0
    assert again.steps_done == finetuner.steps_done > 0
    assert all(torch.equal(tensor, saved[name]) for name, tensor in again.model.state_dict().items())
    assert (tmp_path / "history.jsonl").read_bytes() == content
    assert progress.infos == [f"resumed at step {finetuner.steps_done}"]


@pytest.mark.parametrize(("every_s", "saved"), [(0, True), (3600, False)])
def test_a_checkpoint_is_saved_once_it_is_due(
    prepared: Prepared, backbone: Backbone, tmp_path: Path, every_s: float, saved: bool
) -> None:
    session = cpu_session(prepared.data)
    finetuner = Finetuner(Classifier(backbone, class_count=3), prepared.data, RECIPE, session)
    Checkpointer(tmp_path / "last", every_s=every_s, session=session).save_if_due(finetuner, TrainingState())
    assert (tmp_path / "last").exists() == saved


def test_a_loss_that_is_not_finite_is_not_saved(prepared: Prepared, backbone: Backbone, tmp_path: Path) -> None:
    session, model = cpu_session(prepared.data), Classifier(backbone, class_count=3)
    recipe = dataclasses.replace(RECIPE, finetune=dataclasses.replace(RECIPE.finetune, epochs=1))
    finetuner = Finetuner(model, prepared.data, recipe, session)
    nn.init.constant_(model.head.bias, float("nan"))
    finetuner.train_step(finetuner.start_epoch()[0])
    with pytest.raises(FitError, match="the loss became nan in epoch 1"):
        Checkpointer(tmp_path / "last", every_s=0, session=session).save(finetuner, TrainingState())
    assert not (tmp_path / "last").exists()
