from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from trainer.data import Prepared
from trainer.model import Backbone
from trainer.progress import NoProgress
from trainer.recipe import FinetuneRecipe, HeadRecipe, Recipe
from trainer.training.checkpoint import load_state, save_state
from trainer.training.evaluate import EarlyStopping
from trainer.training.loop import LAST, fit

CPU = torch.device("cpu")
# A rate that ruins the network after a good head stage.
RUINOUS = FinetuneRecipe(epochs=6, batch_size=4, lr=5.0, lr_spread=1.0, ema_decay=0.0, patience=2)
RECIPE = Recipe(head=HeadRecipe(epochs=20, batch_size=8), finetune=RUINOUS)


def events_of(run: Path, name: str) -> list[dict[str, object]]:
    events = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    return [event for event in events if event["event"] == name]


@pytest.mark.parametrize(
    ("epochs", "figures", "over"),
    [
        (2, [0.5, 0.5, 0.4], True),
        (2, [0.5, 0.4, 0.6], False),
        (3, [0.5, 0.4, 0.5], False),
        (0, [0.5, 0.4, 0.4, 0.4, 0.4], False),
    ],
)
def test_counts_epochs_without_a_better_leading_figure(epochs: int, figures: list[float], over: bool) -> None:
    patience = EarlyStopping(epochs, task="classification")
    best: dict[str, float] = {}
    for figure in figures:
        after = {"accuracy": max(figure, best.get("accuracy", 0.0))}
        patience.see(best, after)
        best = after
    assert patience.over == over


def test_training_ends_and_the_best_is_the_result(prepared: Prepared, backbone: Backbone, tmp_path: Path) -> None:
    fitted = fit(backbone, prepared.data, RECIPE, run=tmp_path, device=CPU, progress=NoProgress())
    epochs = events_of(tmp_path, "epoch")
    assert [event["epoch"] for event in epochs] == [0, 1, 2]
    assert fitted.metrics["accuracy"] == epochs[0]["valid"]["accuracy"]  # type: ignore[index]
    assert events_of(tmp_path, "stop") == [{"event": "stop", "stage": "finetune", "epoch": 2, "waited": 2}]
    assert events_of(tmp_path, "stage")[-1]["stage"] == "finetune"


def test_a_run_that_is_taken_up_again_waits_no_longer(prepared: Prepared, backbone: Backbone, tmp_path: Path) -> None:
    """Neither from its last state, which is over, nor from the one before."""
    fit(backbone, prepared.data, RECIPE, run=tmp_path, device=CPU, progress=NoProgress())
    before = events_of(tmp_path, "epoch")
    fit(backbone, prepared.data, RECIPE, run=tmp_path, device=CPU, progress=NoProgress())
    assert events_of(tmp_path, "epoch") == before
    assert len(events_of(tmp_path, "stop")) == 1
    tensors, facts = load_state(tmp_path / LAST)
    save_state(tmp_path / LAST, tensors, {**facts, "waited": 1})
    more = dataclasses.replace(RECIPE, finetune=dataclasses.replace(RUINOUS, epochs=8))
    fit(backbone, prepared.data, more, run=tmp_path, device=CPU, progress=NoProgress())
    assert [event["epoch"] for event in events_of(tmp_path, "epoch")] == [0, 1, 2, 3]
