"""Both stages on generated images: what they learn, what they leave alone, and that they are reproducible."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.support.photos import COLOURS
from trainer.data import Prepared
from trainer.errors import FitError
from trainer.model import Backbone, Classifier, load_backbone
from trainer.progress import NoProgress
from trainer.recipe import FinetuneRecipe, HeadRecipe, Recipe
from trainer.training.checkpoint import BestCheckpoint, load_state
from trainer.training.ema import Ema
from trainer.training.evaluate import predict_logits
from trainer.training.finetune import Finetuner
from trainer.training.head import extract_features, fit_head
from trainer.training.history import History
from trainer.training.loop import BEST, LAST, fit

CPU = torch.device("cpu")
RECIPE = Recipe(head=HeadRecipe(epochs=20, batch_size=8), finetune=FinetuneRecipe(epochs=2, batch_size=8, lr=0.01))


def weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def test_training_images_have_room_and_validation_images_are_the_services(prepared: Prepared) -> None:
    zero = np.zeros(1, dtype=np.int64)
    assert prepared.data.train.batch(zero).shape == (1, 42, 42, 3)  # 32 x 9 / 7
    assert prepared.data.valid.batch(zero).shape == (1, 32, 32, 3)
    assert len(prepared.data.train) + len(prepared.data.valid) == 12 * len(COLOURS)


def test_the_head_stage_learns_and_leaves_the_body_as_it_was(prepared: Prepared, backbone: Backbone) -> None:
    model = Classifier(backbone, class_count=3)
    before = weights(model.body)
    features = extract_features(model, prepared.data, RECIPE, size=32, device=CPU, progress=NoProgress())
    assert features.shape == (2, len(prepared.data.train), 96)
    assert not torch.equal(features[0], features[1])  # two views
    fit_head(model, features, prepared.data, RECIPE, progress=NoProgress())
    with torch.no_grad():
        found = predict_logits(model, prepared.data.valid, device=CPU).argmax(1)
    assert (found == prepared.data.valid_targets).mean() > 0.9
    after = weights(model.body)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_finetune_moves_every_group_early_layers_least(prepared: Prepared, backbone: Backbone) -> None:
    model = Classifier(backbone, class_count=3)
    torch.nn.init.normal_(model.head.weight, std=0.1)
    before = weights(model)
    training = Finetuner(model, prepared.data, RECIPE, size=32, device=CPU)
    epochs = [training.run_epoch(progress=NoProgress(), on_step=lambda: None) for _ in range(2)]
    assert training.done
    assert [epoch.number for epoch in epochs] == [1, 2]
    assert all(epoch.images_per_second > 0 for epoch in epochs)
    steps = -(-len(prepared.data.train) // 8)
    assert all(len(epoch.losses) == len(epoch.rates) == len(epoch.momenta) == steps for epoch in epochs)
    assert max(rate for epoch in epochs for rate in epoch.rates) <= 0.01
    moved = {name: (tensor - before[name]).abs().max() for name, tensor in model.state_dict().items()}
    assert 0 < moved["body.layers.0.weight"] < moved["head.weight"]
    assert not training.average.training


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"freeze": "early:1,late", "clip_norm": 0.5},
        {"mixup": 0.4, "cutmix": 1.0, "accumulate": 3},
        {"sizes": "16:1,32:1", "balance": "sampler"},
        {"precision": "fp16", "balance": "loss"},
        {"pretrained": False, "freeze": "early:1"},
    ],
    ids=str,
)
def test_put_away_at_any_step_and_taken_up_again_it_goes_on_to_the_same_weights(
    prepared: Prepared, changes: dict[str, Any]
) -> None:
    recipe = dataclasses.replace(
        RECIPE, **{name: changes[name] for name in ("balance", "precision") if name in changes}
    )
    of_stage = {name: changes[name] for name in FinetuneRecipe.__dataclass_fields__ if name in changes}
    recipe = dataclasses.replace(recipe, finetune=dataclasses.replace(recipe.finetune, **of_stage))

    def training() -> Finetuner:
        backbone = dataclasses.replace(load_backbone("tiny"), pretrained=changes.get("pretrained", True))
        model = Classifier(backbone, class_count=3, dropout=recipe.dropout)
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # as `fit` lays it out
        return Finetuner(model, prepared.data, recipe, size=32, device=CPU)

    states: list[tuple[dict[str, torch.Tensor], dict[str, object]]] = []
    whole = training()

    def remember() -> None:
        tensors, facts = whole.state()
        states.append(({name: tensor.detach().contiguous().clone() for name, tensor in tensors.items()}, facts))

    remember()
    losses = [whole.run_epoch(progress=NoProgress(), on_step=remember).losses for _ in range(2)]
    assert len(states) > 4
    for tensors, facts in states:
        again = training()
        again.restore(tensors, facts)
        while not again.done:
            epoch = again.run_epoch(progress=NoProgress(), on_step=lambda: None)
            assert epoch.losses == losses[epoch.number - 1]
        reached, expected = again.state(), whole.state()
        assert reached[1] == expected[1]
        assert reached[0].keys() == expected[0].keys()
        assert all(torch.equal(tensor, reached[0][name]) for name, tensor in expected[0].items())


def test_the_average_follows_and_warms_up() -> None:
    model = Classifier(load_backbone("tiny"), class_count=2)
    ema = Ema(model, decay=0.99)
    with torch.no_grad():
        model.head.bias.fill_(1.0)
    ema.update()
    assert ema.model.head.bias[0].item() == pytest.approx(1 - 2 / 11)
    for _ in range(2000):
        ema.update()
    assert ema.model.head.bias[0].item() == pytest.approx(1.0, abs=1e-4)
    assert model.head.bias[0].item() == 1.0


def test_the_best_weights_are_kept_not_the_last(prepared: Prepared, backbone: Backbone, tmp_path: Path) -> None:
    """A rate that ruins the network after a good head stage: what is kept is the head stage."""
    run = tmp_path / "run"
    run.mkdir()
    ruinous = dataclasses.replace(
        RECIPE, finetune=FinetuneRecipe(epochs=2, batch_size=4, lr=5.0, lr_spread=1.0, ema_decay=0.0)
    )
    fitted = fit(backbone, prepared.data, ruinous, run=run, device=CPU, progress=NoProgress())
    events = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    epochs = [event for event in events if event["event"] == "epoch"]
    assert [event["stage"] for event in epochs] == ["head", "finetune", "finetune"]
    assert epochs[0]["best"]
    best = max(event["valid"]["accuracy"] for event in epochs)
    assert fitted.metrics["accuracy"] == best
    assert best > min(event["valid"]["accuracy"] for event in epochs)
    assert [event["stage"] for event in events if event["event"] == "stage"] == ["features", "head", "finetune"]


def test_without_epochs_of_the_whole_network_the_head_is_the_result(
    prepared: Prepared, backbone: Backbone, tmp_path: Path
) -> None:
    recipe = dataclasses.replace(RECIPE, finetune=FinetuneRecipe(epochs=0))
    said: list[str] = []

    class Listening(NoProgress):
        def info(self, text: str) -> None:
            said.append(text)

    fitted = fit(backbone, prepared.data, recipe, run=tmp_path, device=CPU, progress=Listening())
    assert fitted.metrics["accuracy"] > 0.9
    assert said
    assert not [line for line in said if "training steps" in line]  # there was a warning of too few


def test_every_image_is_in_every_epoch_whatever_the_batch_size(prepared: Prepared, backbone: Backbone) -> None:
    """A last batch that is not full was left out: up to half of a small dataset."""
    seen: list[int] = []
    count = len(prepared.data.train)
    recipe = dataclasses.replace(RECIPE, finetune=FinetuneRecipe(epochs=1, batch_size=count - 1))
    training = Finetuner(Classifier(backbone, class_count=3), prepared.data, recipe, size=32, device=CPU)

    class Counting(NoProgress):
        def advance(self, count: int = 1) -> None:
            seen.append(count)

    training.run_epoch(progress=Counting(), on_step=lambda: None)
    assert sum(seen) == count
    assert max(seen) - min(seen[1:]) <= 1


def test_a_loss_that_is_no_number_stops_the_fit(prepared: Prepared, backbone: Backbone, tmp_path: Path) -> None:
    with torch.no_grad():
        next(backbone.body.parameters()).fill_(float("nan"))
    recipe = dataclasses.replace(RECIPE, head=HeadRecipe(epochs=0))
    with pytest.raises(FitError, match="the loss became nan in epoch 1; try a tenth of the rate"):
        fit(backbone, prepared.data, recipe, run=tmp_path, device=CPU, progress=NoProgress())


def test_a_loss_that_becomes_no_number_leaves_the_last_sound_state(
    prepared: Prepared, backbone: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broken weights were saved over it, and the run could not be taken up by any version."""
    recipe = dataclasses.replace(RECIPE, checkpoint_s=0, precision="fp32")
    # From the third step on, at a rate that no recipe may have, or a network so small would only become useless.
    monkeypatch.setattr("trainer.training.finetune.one_cycle", lambda step, **_: (1e-3 if step < 2 else 1e30, 0.9))
    with pytest.raises(
        FitError, match=r"the loss became .* in epoch 1; .*; what was best until then: .* export .* --out BUNDLE"
    ):
        fit(backbone, prepared.data, recipe, run=tmp_path, device=CPU, progress=NoProgress())
    tensors, facts = load_state(tmp_path / LAST)
    assert facts["step"] == 3
    assert np.isfinite(facts["losses"]).all()
    assert (tmp_path / BEST).exists()
    restored = Finetuner(Classifier(backbone, class_count=3), prepared.data, recipe, size=32, device=CPU)
    restored.restore(tensors, facts)


def test_answers_that_are_no_numbers_end_the_fit(prepared: Prepared, backbone: Backbone, tmp_path: Path) -> None:
    """With several labels an image they ended it in a traceback of the metrics."""
    keeper = BestCheckpoint(tmp_path / "best", prepared.data, history=History(None), device=CPU, progress=NoProgress())
    model = Classifier(backbone, class_count=3)
    with torch.no_grad():
        model.head.bias.fill_(float("nan"))
    with pytest.raises(FitError, match="answers are no finite numbers any more; try a tenth of the rate"):
        keeper.consider(model, stage="finetune", epoch=1)
    assert not (tmp_path / "best").exists()
