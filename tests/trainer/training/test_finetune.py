from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import pytest
import torch

from trainer.data import Prepared
from trainer.errors import RecipeError
from trainer.model import Backbone, Classifier
from trainer.progress import NoProgress
from trainer.recipe import FinetuneRecipe, HeadRecipe, Recipe, frozen_in, parse_freeze
from trainer.training.finetune import Finetuner
from trainer.training.loop import fit

CPU = torch.device("cpu")
STAGE = FinetuneRecipe(epochs=3, batch_size=8, lr=0.01)


def weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def changed(before: dict[str, torch.Tensor], model: torch.nn.Module) -> set[str]:
    return {name for name, tensor in model.state_dict().items() if not torch.equal(before[name], tensor)}


def test_a_group_is_frozen_for_its_epochs_or_for_all() -> None:
    frozen = parse_freeze("early:2, late")
    assert frozen == {"early": 2, "late": math.inf}
    assert [frozen_in(epoch, frozen) for epoch in (0, 1, 2)] == [{"early", "late"}, {"early", "late"}, {"late"}]
    assert parse_freeze("") == {}


@pytest.mark.parametrize(
    "text", ["middle", "early:0", "early:-1", "early:x", "early:", "early,early:2", "early:1,late:1,head:1"]
)
def test_says_what_cannot_be_frozen(text: str) -> None:
    with pytest.raises(RecipeError, match=r"finetune\.freeze is "):
        FinetuneRecipe(freeze=text)


def test_a_frozen_group_learns_nothing_and_then_learns(prepared: Prepared, backbone: Backbone) -> None:
    model = Classifier(backbone, class_count=3)
    torch.nn.init.normal_(model.head.weight, std=0.1)
    recipe = Recipe(finetune=dataclasses.replace(STAGE, freeze="early:2,late:1"))
    training = Finetuner(model, prepared.data, recipe, size=32, device=CPU)
    moved = []
    for _ in range(3):
        before = weights(model)
        epoch = training.run_epoch(progress=NoProgress(), on_step=lambda: None)
        moved.append(changed(before, model))
    last_of_early, first_of_late = "body.layers.9.weight", "body.layers.10.weight"
    assert moved[0] == {"head.weight", "head.bias"}
    assert first_of_late in moved[1]
    assert last_of_early not in moved[1]
    assert {first_of_late, last_of_early, "body.layers.0.weight"} <= moved[2]
    assert epoch.rates[-1] == pytest.approx(0.01 / 2.5e5)  # the schedule went on


def test_autograd_stops_where_nothing_more_learns(prepared: Prepared, backbone: Backbone) -> None:
    model = Classifier(backbone, class_count=3)
    recipe = Recipe(finetune=dataclasses.replace(STAGE, freeze="early"))
    training = Finetuner(model, prepared.data, recipe, size=32, device=CPU)
    seen: list[bool] = []
    layers = model.body.layers
    layers[0].register_forward_hook(lambda *given: seen.append(given[2].requires_grad))
    layers[10].register_forward_hook(lambda *given: seen.append(given[2].requires_grad))
    training.run_epoch(progress=NoProgress(), on_step=lambda: None)
    assert seen[:2] == [False, True]


def test_norms_of_a_frozen_group_keep_their_statistics(prepared: Prepared, backbone: Backbone) -> None:
    """Of a body with random weights, whose norms learn otherwise."""
    model = Classifier(dataclasses.replace(backbone, pretrained=False), class_count=3)
    recipe = Recipe(finetune=dataclasses.replace(STAGE, freeze="early:1"))
    training = Finetuner(model, prepared.data, recipe, size=32, device=CPU)
    before = weights(model)
    training.run_epoch(progress=NoProgress(), on_step=lambda: None)
    moved = changed(before, model)
    assert "body.layers.1.running_mean" not in moved
    assert "body.layers.10.running_mean" in moved
    training.run_epoch(progress=NoProgress(), on_step=lambda: None)
    assert "body.layers.1.running_mean" in changed(before, model)


def test_what_is_frozen_is_in_the_history(prepared: Prepared, backbone: Backbone, tmp_path: Path) -> None:
    recipe = Recipe(head=HeadRecipe(epochs=1), finetune=dataclasses.replace(STAGE, freeze="late:1,early:2"))
    fit(backbone, prepared.data, recipe, run=tmp_path, device=CPU, progress=NoProgress())
    events = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    assert [event for event in events if event["event"] == "change"] == [
        {"event": "change", "epoch": 1, "size": 32, "frozen": ["early", "late"]},
        {"event": "change", "epoch": 2, "size": 32, "frozen": ["early"]},
        {"event": "change", "epoch": 3, "size": 32, "frozen": []},
    ]
