"""Sweeps of both stages on generated images: reproducible, and without a trace."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.support.photos import write_folder
from trainer.catalog import read_catalog
from trainer.data import Decoding, Prepared, prepare
from trainer.errors import FitError
from trainer.model import Backbone, Classifier, load_backbone
from trainer.progress import NoProgress
from trainer.recipe import FinetuneRecipe, HeadRecipe, Recipe
from trainer.training.checkpoint import load_state
from trainer.training.finetune import Finetuner
from trainer.training.head import extract_features, fit_head
from trainer.training.loop import LAST, fit
from trainer.training.lr_find.result import LRFindResult, read_lr_find, write_lr_find
from trainer.training.lr_find.search import search_finetune_lr, search_head_lr

CPU = torch.device("cpu")
RECIPE = Recipe(head=HeadRecipe(epochs=5, batch_size=8), finetune=FinetuneRecipe(epochs=2, batch_size=8, lr=0.01))


def load() -> Backbone:
    """The tiny backbone, taken for one that knows something: its norms are frozen and the head stage runs."""
    return dataclasses.replace(load_backbone("tiny"), pretrained=True)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    folder = tmp_path_factory.mktemp("sweeps")
    catalog = read_catalog(write_folder(folder / "photos"))
    return prepare(catalog, load().pixels, seed=0, decoding=Decoding(folder / "cache", threads=2))


def whole(model: Classifier, prepared: Prepared, recipe: Recipe = RECIPE) -> LRFindResult:
    return search_finetune_lr(model, prepared.data, recipe, size=32, device=CPU, progress=NoProgress())


def with_whole(**options: Any) -> Recipe:
    return dataclasses.replace(RECIPE, finetune=dataclasses.replace(RECIPE.finetune, **options))


def without_clock(found: LRFindResult) -> dict[str, object]:
    return found.to_json() | {"seconds": 0}


def test_the_head_is_swept_without_a_trace_and_the_same_each_time(prepared: Prepared) -> None:
    model = Classifier(load(), class_count=3)
    features = extract_features(model, prepared.data, RECIPE, size=32, device=CPU, progress=NoProgress())
    before, random = {name: tensor.clone() for name, tensor in model.state_dict().items()}, torch.get_rng_state()
    found = [search_head_lr(model, features, prepared.data, RECIPE, progress=NoProgress()) for _ in range(2)]
    assert without_clock(found[0]) == without_clock(found[1])
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)
    assert found[0].rule == "mean"  # a head that starts from nothing learns at some rate
    assert found[0].curve.losses[0] == pytest.approx(np.log(3), rel=0.01)
    reseeded = search_head_lr(
        model, features, prepared.data, dataclasses.replace(RECIPE, seed=1), progress=NoProgress()
    )
    assert without_clock(reseeded) != without_clock(found[0])


def test_the_rate_that_was_found_trains_the_head(prepared: Prepared) -> None:
    model = Classifier(load(), class_count=3)
    features = extract_features(model, prepared.data, RECIPE, size=32, device=CPU, progress=NoProgress())
    found = search_head_lr(model, features, prepared.data, RECIPE, progress=NoProgress())
    recipe = dataclasses.replace(RECIPE, head=HeadRecipe(epochs=20, batch_size=8, lr=found.suggestion))
    fit_head(model, features, prepared.data, recipe, progress=NoProgress())
    with torch.no_grad():
        right = model.head(features[0].float()).argmax(dim=1).numpy() == prepared.data.train_targets
    assert right.mean() > 0.9


def test_a_training_does_not_notice_a_sweep_in_its_midst(prepared: Prepared) -> None:
    """Weights, the optimizer's moments, the average: what comes after is the same to the last bit."""
    ends = []
    for swept in (False, True):
        model = Classifier(load(), class_count=3, dropout=0.5)
        training = Finetuner(model, prepared.data, RECIPE, size=32, device=CPU)
        training.run_epoch(progress=NoProgress(), on_step=lambda: None)
        if swept:
            whole(model, prepared)
        losses = training.run_epoch(progress=NoProgress(), on_step=lambda: None).losses
        ends.append((losses, [tensor.tolist() for tensor in training.state()[0].values()]))
    assert ends[0] == ends[1]


def test_a_sweep_that_raises_leaves_no_trace(prepared: Prepared) -> None:
    model = Classifier(load(), class_count=3)
    with torch.no_grad():
        model.head.bias.fill_(float("nan"))
    before, random = {name: tensor.clone() for name, tensor in model.state_dict().items()}, torch.get_rng_state()
    with pytest.raises(FitError, match="are the weights sound"):
        whole(model, prepared)
    assert all(
        torch.equal(tensor.nan_to_num(7), before[name].nan_to_num(7)) for name, tensor in model.state_dict().items()
    )
    assert torch.equal(torch.get_rng_state(), random)
    assert model.training


def test_every_way_to_train_can_be_swept(prepared: Prepared) -> None:
    """With what a recipe may ask for; a sweep has one size."""
    asked = FinetuneRecipe(sizes="32:1,40:1", batch_size=8, freeze="early", mixup=0.2, clip_norm=1.0, accumulate=2)
    found = whole(
        Classifier(load(), class_count=3), prepared, dataclasses.replace(RECIPE, finetune=asked, balance="loss")
    )
    assert len(found.curve.lrs) > 20


def test_a_sweep_freezes_what_is_frozen_where_the_rate_is_highest(prepared: Prepared) -> None:
    """It froze nothing, and found a rate for another training."""
    found = {
        freeze: without_clock(whole(Classifier(load(), class_count=3), prepared, with_whole(epochs=10, freeze=freeze)))
        for freeze in ("", "early:3,late:3", "early:4,late:4", "early,late")
    }
    assert found[""] == found["early:3,late:3"]  # the fourth epoch has the highest rate
    assert found["early,late"] == found["early:4,late:4"]
    assert found["early,late"] != found[""]


def test_a_fit_takes_the_rates_and_gives_the_weights_of_a_fit_that_was_told_them(
    prepared: Prepared, tmp_path: Path
) -> None:
    auto = dataclasses.replace(RECIPE, auto_lr=True)
    first, second = tmp_path / "auto", tmp_path / "told"
    for run in (first, second):
        run.mkdir()
    fit(load(), prepared.data, auto, run=first, device=CPU, progress=NoProgress())
    found = read_lr_find(first / "lr_find.json")
    assert set(found) == {"head", "finetune"}
    told = dataclasses.replace(
        RECIPE,
        head=dataclasses.replace(RECIPE.head, lr=found["head"].suggestion),
        finetune=dataclasses.replace(RECIPE.finetune, lr=found["finetune"].suggestion),
    )
    fit(load(), prepared.data, told, run=second, device=CPU, progress=NoProgress())
    weights = [load_state(run / LAST)[0] for run in (first, second)]
    assert all(torch.equal(tensor, weights[1][name]) for name, tensor in weights[0].items())
    assert not (second / "lr_find.json").exists()


def test_what_was_found_is_read_back(prepared: Prepared, tmp_path: Path) -> None:
    model = Classifier(load(), class_count=3)
    features = extract_features(model, prepared.data, RECIPE, size=32, device=CPU, progress=NoProgress())
    found = search_head_lr(model, features, prepared.data, RECIPE, progress=NoProgress())
    write_lr_find(tmp_path / "lr_find.json", {"head": found})
    assert read_lr_find(tmp_path / "lr_find.json")["head"].to_json() == found.to_json()
    assert read_lr_find(tmp_path / "none.json") == {}
