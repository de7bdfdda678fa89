"""Fine-tuning on generated images: what it trains, what it leaves alone, and that it can be continued at any step."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.support.training import RecordedProgress, changed_names, copy_state, cpu_session, run_epoch
from trainer.data import Prepared
from trainer.model import Backbone, Classifier, load_backbone
from trainer.recipe import FinetuneRecipe, Freeze, Recipe, Sizes
from trainer.training.finetune import Finetuner

RECIPE = Recipe(finetune=FinetuneRecipe(epochs=2, batch_size=8, lr=0.01))


def with_finetune(**changes: Any) -> Recipe:
    return dataclasses.replace(RECIPE, finetune=dataclasses.replace(RECIPE.finetune, **changes))


def frozen(text: str) -> Recipe:
    return with_finetune(epochs=3, freeze=Freeze.parse(text))


def test_every_group_is_trained_early_layers_least(prepared: Prepared, backbone: Backbone) -> None:
    model = Classifier(backbone, class_count=3)
    torch.nn.init.normal_(model.head.weight, std=0.1)
    before = copy_state(model)
    finetuner = Finetuner(model, prepared.data, RECIPE, cpu_session(prepared.data))
    epochs = [run_epoch(finetuner) for _ in range(2)]
    assert finetuner.is_done
    assert [epoch.number for epoch in epochs] == [1, 2]
    assert all(epoch.images_per_second > 0 for epoch in epochs)
    steps = -(-len(prepared.data.train) // 8)
    assert all(len(epoch.losses) == len(epoch.lrs) == len(epoch.momenta) == steps for epoch in epochs)
    assert max(lr for epoch in epochs for lr in epoch.lrs) <= 0.01
    moved = {name: (tensor - before[name]).abs().max() for name, tensor in model.state_dict().items()}
    assert 0 < moved["body.layers.0.weight"] < moved["head.weight"]
    assert not finetuner.ema.training


def test_every_image_is_in_every_epoch_whatever_the_batch_size(prepared: Prepared, backbone: Backbone) -> None:
    """A last batch that is not full is up to half of a small dataset."""
    progress, count = RecordedProgress(), len(prepared.data.train)
    recipe = with_finetune(epochs=1, batch_size=count - 1)
    session = cpu_session(prepared.data, progress=progress)
    run_epoch(Finetuner(Classifier(backbone, class_count=3), prepared.data, recipe, session))
    assert progress.advances[0] == 0  # nothing was done before
    assert sum(progress.advances) == count
    assert max(progress.advances[1:]) - min(progress.advances[1:]) <= 1


def test_a_frozen_group_is_trained_after_its_epochs(prepared: Prepared, backbone: Backbone) -> None:
    model = Classifier(backbone, class_count=3)
    torch.nn.init.normal_(model.head.weight, std=0.1)
    finetuner = Finetuner(model, prepared.data, frozen("early:2,late:1"), cpu_session(prepared.data))
    moved = []
    for _ in range(3):
        before = copy_state(model)
        epoch = run_epoch(finetuner)
        moved.append(changed_names(before, model))
    last_of_early, first_of_late = "body.layers.9.weight", "body.layers.10.weight"
    assert moved[0] == {"head.weight", "head.bias"}
    assert first_of_late in moved[1]
    assert last_of_early not in moved[1]
    assert {first_of_late, last_of_early, "body.layers.0.weight"} <= moved[2]
    assert epoch.lrs[-1] == pytest.approx(0.01 / 2.5e5)  # the schedule went on


def test_autograd_stops_before_the_first_layer_that_is_trained(prepared: Prepared, backbone: Backbone) -> None:
    model = Classifier(backbone, class_count=3)
    finetuner = Finetuner(model, prepared.data, frozen("early"), cpu_session(prepared.data))
    seen: list[bool] = []
    layers = model.body.layers
    layers[0].register_forward_hook(lambda *given: seen.append(given[2].requires_grad))
    layers[10].register_forward_hook(lambda *given: seen.append(given[2].requires_grad))
    run_epoch(finetuner)
    assert seen[:2] == [False, True]


def test_norms_of_a_frozen_group_keep_their_statistics(prepared: Prepared, backbone: Backbone) -> None:
    """In a body with random weights, whose norms are otherwise trained."""
    model = Classifier(dataclasses.replace(backbone, pretrained=False), class_count=3)
    finetuner = Finetuner(model, prepared.data, frozen("early:1"), cpu_session(prepared.data))
    before = copy_state(model)
    run_epoch(finetuner)
    moved = changed_names(before, model)
    assert "body.layers.1.running_mean" not in moved
    assert "body.layers.10.running_mean" in moved
    run_epoch(finetuner)
    assert "body.layers.1.running_mean" in changed_names(before, model)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"freeze": Freeze.parse("early:1,late"), "clip_norm": 0.5},
        {"mixup": 0.4, "cutmix": 1.0, "accumulate": 3},
        {"sizes": Sizes.parse("16:1,32:1"), "balance": "sampler"},
        {"precision": "fp16", "balance": "loss"},
        {"pretrained": False, "freeze": Freeze.parse("early:1")},
    ],
    ids=str,
)
def test_training_that_continues_from_any_step_reaches_the_same_weights(
    prepared: Prepared, changes: dict[str, Any]
) -> None:
    recipe = with_finetune(**{name: changes[name] for name in FinetuneRecipe.__dataclass_fields__ if name in changes})
    recipe = dataclasses.replace(
        recipe, **{name: changes[name] for name in ("balance", "precision") if name in changes}
    )

    def start() -> Finetuner:
        backbone = dataclasses.replace(load_backbone("tiny"), pretrained=changes.get("pretrained", True))
        model = Classifier(backbone, class_count=3, dropout=recipe.dropout)
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # as `fit` lays it out
        return Finetuner(model, prepared.data, recipe, cpu_session(prepared.data))

    states: list[tuple[dict[str, Tensor], dict[str, object]]] = []
    reference = start()

    def save() -> None:
        tensors, values = reference.state_dict()
        states.append(({name: tensor.detach().contiguous().clone() for name, tensor in tensors.items()}, values))

    save()
    losses = []
    for _ in range(2):
        for samples in reference.start_epoch():
            reference.train_step(samples)
            if reference.is_within_epoch:
                save()
        losses.append(reference.finish_epoch().losses)
        save()
    assert len(states) > 4
    for tensors, values in states:
        again = start()
        again.load_state_dict(tensors, values)
        while not again.is_done:
            epoch = run_epoch(again)
            assert epoch.losses == losses[epoch.number - 1]
        reached, expected = again.state_dict(), reference.state_dict()
        assert reached[1] == expected[1]
        assert reached[0].keys() == expected[0].keys()
        assert all(torch.equal(tensor, reached[0][name]) for name, tensor in expected[0].items())
