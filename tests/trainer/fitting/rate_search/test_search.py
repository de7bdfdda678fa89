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
from trainer.errors import FitError
from trainer.fitting import LAST, Prepared, Recipe, Silence, fit, prepare
from trainer.fitting.rate_search.found_rate import FoundRate, read_found, write_found
from trainer.fitting.rate_search.search import search_head_rate, search_whole_rate
from trainer.fitting.recipe.recipe import HeadStage, WholeStage
from trainer.fitting.records.checkpoint import load_state
from trainer.fitting.stages.head_stage import extract_features, fit_head
from trainer.fitting.stages.whole_stage import WholeTraining
from trainer.model import Backbone, Classifier, load_backbone

CPU = torch.device("cpu")
RECIPE = Recipe(head=HeadStage(epochs=5, batch_size=8), whole=WholeStage(epochs=2, batch_size=8, rate=0.01))


def load() -> Backbone:
    """The tiny backbone, taken for one that knows something: its norms are frozen and the head stage runs."""
    return dataclasses.replace(load_backbone("tiny"), pretrained=True)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    folder = tmp_path_factory.mktemp("sweeps")
    catalog = read_catalog(write_folder(folder / "photos"))
    return prepare(catalog, pixels=load().pixels, seed=0, cache=folder / "cache", threads=2, progress=Silence())


def whole(model: Classifier, prepared: Prepared, recipe: Recipe = RECIPE) -> FoundRate:
    return search_whole_rate(model, prepared.data, recipe, size=32, device=CPU, progress=Silence())


def with_whole(**options: Any) -> Recipe:
    return dataclasses.replace(RECIPE, whole=dataclasses.replace(RECIPE.whole, **options))


def without_clock(found: FoundRate) -> dict[str, object]:
    return found.to_json() | {"seconds": 0}


def test_the_head_is_swept_without_a_trace_and_the_same_each_time(prepared: Prepared) -> None:
    model = Classifier(load(), class_count=3)
    features = extract_features(model, prepared.data, RECIPE, size=32, device=CPU, progress=Silence())
    before, random = {name: tensor.clone() for name, tensor in model.state_dict().items()}, torch.get_rng_state()
    found = [search_head_rate(model, features, prepared.data, RECIPE, progress=Silence()) for _ in range(2)]
    assert without_clock(found[0]) == without_clock(found[1])
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)
    assert found[0].rule == "mean"  # a head that starts from nothing learns at some rate
    assert found[0].curve.losses[0] == pytest.approx(np.log(3), rel=0.01)
    reseeded = search_head_rate(model, features, prepared.data, dataclasses.replace(RECIPE, seed=1), progress=Silence())
    assert without_clock(reseeded) != without_clock(found[0])


def test_the_rate_that_was_found_trains_the_head(prepared: Prepared) -> None:
    model = Classifier(load(), class_count=3)
    features = extract_features(model, prepared.data, RECIPE, size=32, device=CPU, progress=Silence())
    found = search_head_rate(model, features, prepared.data, RECIPE, progress=Silence())
    recipe = dataclasses.replace(RECIPE, head=HeadStage(epochs=20, batch_size=8, rate=found.chosen))
    fit_head(model, features, prepared.data, recipe, progress=Silence())
    with torch.no_grad():
        right = model.head(features[0].float()).argmax(dim=1).numpy() == prepared.data.train_targets
    assert right.mean() > 0.9


def test_a_training_does_not_notice_a_sweep_in_its_midst(prepared: Prepared) -> None:
    """Weights, the optimizer's moments, the average: what comes after is the same to the last bit."""
    ends = []
    for swept in (False, True):
        model = Classifier(load(), class_count=3, dropout=0.5)
        training = WholeTraining(model, prepared.data, RECIPE, size=32, device=CPU)
        training.run_epoch(progress=Silence(), on_step=lambda: None)
        if swept:
            whole(model, prepared)
        losses = training.run_epoch(progress=Silence(), on_step=lambda: None).losses
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
    asked = WholeStage(sizes="32:1,40:1", batch_size=8, freeze="early", mixup=0.2, clip_norm=1.0, accumulate=2)
    found = whole(Classifier(load(), class_count=3), prepared, dataclasses.replace(RECIPE, whole=asked, balance="loss"))
    assert len(found.curve.rates) > 20


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
    auto = dataclasses.replace(RECIPE, auto_rates=True)
    first, second = tmp_path / "auto", tmp_path / "told"
    for run in (first, second):
        run.mkdir()
    fit(load(), prepared.data, auto, run=first, device=CPU, progress=Silence())
    found = read_found(first / "lr_find.json")
    assert set(found) == {"head", "whole"}
    told = dataclasses.replace(
        RECIPE,
        head=dataclasses.replace(RECIPE.head, rate=found["head"].chosen),
        whole=dataclasses.replace(RECIPE.whole, rate=found["whole"].chosen),
    )
    fit(load(), prepared.data, told, run=second, device=CPU, progress=Silence())
    weights = [load_state(run / LAST)[0] for run in (first, second)]
    assert all(torch.equal(tensor, weights[1][name]) for name, tensor in weights[0].items())
    assert not (second / "lr_find.json").exists()


def test_what_was_found_is_read_back(prepared: Prepared, tmp_path: Path) -> None:
    model = Classifier(load(), class_count=3)
    features = extract_features(model, prepared.data, RECIPE, size=32, device=CPU, progress=Silence())
    found = search_head_rate(model, features, prepared.data, RECIPE, progress=Silence())
    write_found(tmp_path / "lr_find.json", {"head": found})
    assert read_found(tmp_path / "lr_find.json")["head"].to_json() == found.to_json()
    assert read_found(tmp_path / "none.json") == {}
