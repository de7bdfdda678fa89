"""Sweeps of both stages on generated images: reproducible, and without a trace."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.support.photos import write_folder
from tests.support.training import RecordedProgress, copy_state, cpu_session, fit_into, read_events, run_epoch
from trainer.catalog import read_catalog
from trainer.data import Decoding, Prepared, prepare
from trainer.errors import FitError, RecipeError
from trainer.model import Backbone, Classifier, load_backbone
from trainer.recipe import FinetuneRecipe, Freeze, HeadRecipe, LRFindRecipe, Recipe, Sizes
from trainer.run import RunFolder
from trainer.training.checkpoint import load_tensors
from trainer.training.distributed import Distributed
from trainer.training.finetune import Finetuner
from trainer.training.head import extract_features, fit_head
from trainer.training.history import History
from trainer.training.lr_find.result import LRFindResult, read_lr_find
from trainer.training.lr_find.search import find_finetune_lr, find_head_lr

RECIPE = Recipe(head=HeadRecipe(epochs=5, batch_size=8), finetune=FinetuneRecipe(epochs=2, batch_size=8, lr=0.01))


def load() -> Backbone:
    """The tiny backbone, as if it were pretrained: its norms are frozen and there is a head stage."""
    return dataclasses.replace(load_backbone("tiny"), pretrained=True)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    folder = tmp_path_factory.mktemp("sweeps")
    catalog = read_catalog(write_folder(folder / "photos"))
    return prepare(catalog, load().pixels, seed=0, decoding=Decoding(folder / "cache", threads=2))


def features_of(model: Classifier, prepared: Prepared) -> torch.Tensor:
    return extract_features(model, prepared.data, RECIPE, cpu_session(prepared.data))


def sweep_head(model: Classifier, features: torch.Tensor, prepared: Prepared, recipe: Recipe = RECIPE) -> LRFindResult:
    return find_head_lr(model, features, prepared.data, recipe, cpu_session(prepared.data))


def sweep_network(model: Classifier, prepared: Prepared, recipe: Recipe = RECIPE) -> LRFindResult:
    return find_finetune_lr(model, prepared.data, recipe, cpu_session(prepared.data))


def with_finetune(**changes: Any) -> Recipe:
    return dataclasses.replace(RECIPE, finetune=dataclasses.replace(RECIPE.finetune, **changes))


def without_time(found: LRFindResult) -> dict[str, object]:
    return found.to_json() | {"seconds": 0}


def test_the_head_is_swept_without_a_trace_and_the_same_each_time(prepared: Prepared) -> None:
    model = Classifier(load(), class_count=3)
    features = features_of(model, prepared)
    before, random = copy_state(model), torch.get_rng_state()
    found = [sweep_head(model, features, prepared) for _ in range(2)]
    assert without_time(found[0]) == without_time(found[1])
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)
    assert found[0].rule == "mean"  # a new head learns at some learning rate
    assert found[0].curve.losses[0] == pytest.approx(np.log(3), rel=0.01)
    reseeded = sweep_head(model, features, prepared, dataclasses.replace(RECIPE, seed=1))
    assert without_time(reseeded) != without_time(found[0])


def test_the_learning_rate_that_was_found_trains_the_head(prepared: Prepared) -> None:
    model = Classifier(load(), class_count=3)
    features = features_of(model, prepared)
    found = sweep_head(model, features, prepared)
    recipe = dataclasses.replace(RECIPE, head=HeadRecipe(epochs=20, batch_size=8, lr=found.suggestion))
    fit_head(model, features, prepared.data, recipe, cpu_session(prepared.data))
    with torch.no_grad():
        correct = model.head(features[0].float()).argmax(dim=1).numpy() == prepared.data.train_targets
    assert correct.mean() > 0.9


def test_a_sweep_in_the_middle_of_a_training_changes_nothing(prepared: Prepared) -> None:
    """Weights, moments and moving average are the same afterwards, to the last bit."""
    ends = []
    for swept in (False, True):
        model = Classifier(load(), class_count=3, dropout=0.5)
        finetuner = Finetuner(model, prepared.data, RECIPE, cpu_session(prepared.data))
        run_epoch(finetuner)
        if swept:
            sweep_network(model, prepared)
        losses = run_epoch(finetuner).losses
        ends.append((losses, [tensor.tolist() for tensor in finetuner.state_dict()[0].values()]))
    assert ends[0] == ends[1]


def test_a_sweep_that_fails_leaves_no_trace(prepared: Prepared) -> None:
    model = Classifier(load(), class_count=3)
    with torch.no_grad():
        model.head.bias.fill_(float("nan"))
    before, random = copy_state(model), torch.get_rng_state()
    with pytest.raises(FitError, match="are the weights right"):
        sweep_network(model, prepared)
    assert all(
        torch.equal(tensor.nan_to_num(7), before[name].nan_to_num(7)) for name, tensor in model.state_dict().items()
    )
    assert torch.equal(torch.get_rng_state(), random)
    assert model.training


def test_everything_that_a_recipe_may_ask_for_can_be_swept(prepared: Prepared) -> None:
    """A sweep has one image size."""
    finetune = FinetuneRecipe(
        sizes=Sizes.parse("32:1,40:1"),
        batch_size=8,
        freeze=Freeze.parse("early"),
        mixup=0.2,
        clip_norm=1.0,
        accumulate=2,
    )
    recipe = dataclasses.replace(RECIPE, finetune=finetune, balance="loss")
    found = sweep_network(Classifier(load(), class_count=3), prepared, recipe)
    assert len(found.curve.lrs) > 20


def test_a_sweep_freezes_what_is_frozen_when_the_learning_rate_is_highest(prepared: Prepared) -> None:
    """Else it finds a learning rate for another training."""
    found = {
        freeze: without_time(
            sweep_network(
                Classifier(load(), class_count=3), prepared, with_finetune(epochs=10, freeze=Freeze.parse(freeze))
            )
        )
        for freeze in ("", "early:3,late:3", "early:4,late:4", "early,late")
    }
    assert found[""] == found["early:3,late:3"]  # the fourth epoch has the highest learning rate
    assert found["early,late"] == found["early:4,late:4"]
    assert found["early,late"] != found[""]


def test_sweeps_start_and_end_at_the_limits_of_the_recipe(prepared: Prepared) -> None:
    """The curve leaves out the first tenth and the last twentieth of the steps."""
    model = Classifier(load(), class_count=3)
    recipe = dataclasses.replace(RECIPE, lr_find=LRFindRecipe(lr_min=1e-5, lr_max=1e-3))
    for found, steps in (
        (sweep_head(model, features_of(model, prepared), prepared, recipe), 100),
        (sweep_network(model, prepared, recipe), 75),
    ):
        lrs = np.geomspace(1e-5, 1e-3, steps)
        assert not found.curve.diverged
        assert found.curve.lrs == pytest.approx(lrs[round(0.1 * steps) : steps - round(0.05 * steps)])


@pytest.mark.parametrize(
    ("stage", "limits", "message"),
    [
        ("head", {"lr_min": 20}, "would start at 20 and end at 10;"),
        ("head", {"lr_max": 1e-7}, "would start at 1e-07 and end at 1e-07;"),
        ("finetune", {"lr_min": 1}, "would start at 1 and end at 1;"),
        ("finetune", {"lr_max": 1e-9}, "would start at 1e-06 and end at 1e-09;"),
    ],
)
def test_a_limit_beyond_the_default_of_the_other_is_refused(
    prepared: Prepared, stage: str, limits: dict[str, float], message: str
) -> None:
    """The defaults depend on the stage and the device."""
    model, recipe = Classifier(load(), class_count=3), dataclasses.replace(RECIPE, lr_find=LRFindRecipe(**limits))
    find = sweep_network if stage == "finetune" else partial(sweep_head, features=features_of(model, prepared))
    with pytest.raises(RecipeError, match=message + " give an `lr_min` that is less than `lr_max`, or both of them"):
        find(model, prepared=prepared, recipe=recipe)


def test_of_several_processes_one_sweeps_alone(prepared: Prepared) -> None:
    """The others wait for its result: nothing may be sent to them meanwhile."""

    class Alone(Distributed):
        def all_reduce(self, tensor: torch.Tensor) -> None:
            raise AssertionError("no other process is here")

    session = dataclasses.replace(cpu_session(prepared.data), distributed=Alone(world_size=2))
    model = Classifier(load(), class_count=3)
    found = find_finetune_lr(model, prepared.data, RECIPE, session)
    assert without_time(found) == without_time(sweep_network(model, prepared))


def test_a_warning_in_a_sweep_is_shown_and_not_recorded(prepared: Prepared, tmp_path: Path) -> None:
    """The history is that of the training, in which memory may be sufficient."""

    class Limited(Classifier):
        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            if len(pixels) > 4:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return super().forward(pixels)

    progress, history = RecordedProgress(), History(tmp_path / "history.jsonl")
    session = dataclasses.replace(cpu_session(prepared.data, progress=progress), history=history)
    find_finetune_lr(Limited(load(), class_count=3), prepared.data, RECIPE, session)
    assert set(progress.warnings) == {"out of memory with 8 images at once on cpu; continuing with 4"}
    assert history.length_bytes == 0


def test_a_training_that_finds_its_learning_rates_is_the_one_that_was_given_them(
    prepared: Prepared, tmp_path: Path
) -> None:
    auto = dataclasses.replace(RECIPE, auto_lr=True)
    first, second = RunFolder(tmp_path / "auto"), RunFolder(tmp_path / "given")
    for run in (first, second):
        run.path.mkdir()
    fit_into(first.path, load(), prepared.data, auto)
    found = read_lr_find(first.lr_find)
    assert set(found) == {"head", "finetune"}
    given = dataclasses.replace(
        RECIPE,
        head=dataclasses.replace(RECIPE.head, lr=found["head"].suggestion),
        finetune=dataclasses.replace(RECIPE.finetune, lr=found["finetune"].suggestion),
    )
    fit_into(second.path, load(), prepared.data, given)
    weights = [load_tensors(run.last) for run in (first, second)]
    assert all(torch.equal(tensor, weights[1][name]) for name, tensor in weights[0].items())
    assert not second.lr_find.exists()
    assert [event["lr"] for event in read_events(first.path, "step")] == [
        event["lr"] for event in read_events(second.path, "step")
    ]


def test_learning_rates_that_were_found_and_lost_are_reported(prepared: Prepared, tmp_path: Path) -> None:
    """A resumed run must not find others."""
    run, recipe = RunFolder(tmp_path), dataclasses.replace(RECIPE, auto_lr=True)
    fit_into(run.path, load(), prepared.data, recipe)
    run.lr_find.unlink()
    with pytest.raises(FitError, match=r"lr_find\.json with the learning rate of this run is gone; put it back"):
        fit_into(run.path, load(), prepared.data, recipe)
