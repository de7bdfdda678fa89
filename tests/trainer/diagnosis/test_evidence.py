from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from tests.trainer.diagnosis.cases import catalog_of, curve_of, evidence_of, label_noise_of, suggestion_of
from trainer.diagnosis.evidence import LRSuggestion
from trainer.training.lr_find.result import LRFindResult, read_lr_find, write_lr_find
from trainer.training.lr_find.suggestions import Suggestions
from trainer.training.lr_find.sweep import SweepCurve

FOUND = LRFindResult(
    curve=SweepCurve(
        lrs=np.array([1e-3, 1.0]), losses=np.ones(2), lowest=np.ones(2), highest=np.ones(2), diverged=True, seconds=1.0
    ),
    suggestions=Suggestions(valley=0.01, steepest=0.2, minimum_tenth=0.05),
    suggestion=0.05,
    rule="mean",
)


def read(path: Path) -> LRSuggestion | None:
    return LRSuggestion.from_result(read_lr_find(path).get("finetune"))


def test_the_suggestion_is_that_for_fine_tuning(tmp_path: Path) -> None:
    path = tmp_path / "lr_find.json"
    assert read(path) is None
    write_lr_find(path, {"head": FOUND})
    assert read(path) is None
    write_lr_find(path, {"head": FOUND, "finetune": FOUND})
    assert read(path) == LRSuggestion(lowest=0.01, highest=0.2, lr=0.05, rule="mean")


def test_a_sweep_in_which_the_loss_did_not_fall_suggests_something_too() -> None:
    """Its three suggestions are noise, but above the chosen lr the loss rises."""
    found = LRSuggestion.from_result(dataclasses.replace(FOUND, rule="edge"))
    assert found == LRSuggestion(lowest=0.05, highest=0.05, lr=0.05, rule="edge")


def test_a_sweep_that_falls_back_to_the_recipe_suggests_nothing() -> None:
    """The loss of a model that knew nothing hardly moved, and that was read as a suggestion."""
    assert LRSuggestion.from_result(dataclasses.replace(FOUND, rule="recipe")) is None


def test_less_than_a_third_of_the_lowest_suggestion_is_too_low() -> None:
    suggestion = suggestion_of(0.03, 0.2)
    assert suggestion.is_too_low(0.009)
    assert not suggestion.is_too_low(0.011)
    assert not suggestion.is_too_low(5.0)


def test_a_lr_is_near_the_chosen_one_up_to_three_times_it() -> None:
    suggestion = suggestion_of(0.01, 0.1)
    assert [suggestion.is_near(lr) for lr in (0.01, 0.011, 0.09, 0.1)] == [False, True, True, False]


def test_images_are_counted_for_every_class() -> None:
    evidence = evidence_of(catalog=catalog_of({"b": 2, "a": 3}, {"a": 1}))
    assert list(evidence.train_counts.items()) == [("a", 3), ("b", 2)]
    assert evidence.valid_counts == {"a": 1, "b": 0}


def test_errors_that_wrong_labels_explain_are_no_fault_of_the_learning() -> None:
    curve = curve_of(train_error=[0.5, 0.3, 0.2], valid_error=[0.5, 0.3, 0.25])
    assert curve.is_slow(explained_error=0.0)
    assert not curve.is_slow(explained_error=0.17)
    noisy = evidence_of(curve=curve, label_noise=label_noise_of(train=2, valid=12))
    assert noisy.explained_error == 0.2
    assert not noisy.is_slow
    unsure = evidence_of(curve=curve, label_noise=label_noise_of(valid=12, count=900))
    assert unsure.explained_error == 0
