from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests.trainer.diagnosis.cases import CHANCE_LOSS, catalog_of, curve_of, edge_of, evidence_of, suggestion_of
from trainer.diagnosis.curve import LearningCurve
from trainer.diagnosis.evidence import LRSuggestion
from trainer.diagnosis.finding import Finding, Remedy
from trainer.diagnosis.predictions import Predictions
from trainer.diagnosis.training_rules import (
    lr_too_high,
    lr_too_low,
    prediction_collapse,
    too_few_epochs,
    too_many_epochs,
    try_other_lr,
)

DIVERGED = [2.3, *[3.5] * 10, *[2.3] * 10]
SLOW = curve_of(train_error=[0.9, 0.8, 0.7], valid_error=[0.9, 0.8, 0.7], lr=1e-4)
FALLING = [0.9, 0.6, 0.4]


def high(curve: LearningCurve) -> str | None:
    """The confidence of the finding, if there is one."""
    finding = lr_too_high(evidence_of(curve=curve))
    return finding.confidence if finding else None


def low(curve: LearningCurve, *, suggestion: LRSuggestion | None = None) -> Finding | None:
    return lr_too_low(evidence_of(curve=curve, lr_suggestion=suggestion))


def few(curve: LearningCurve, *, suggestion: LRSuggestion | None = None) -> Finding | None:
    return too_few_epochs(evidence_of(curve=curve, lr_suggestion=suggestion))


def many(
    valid_error: list[float], *, train_loss: list[float] | None = None, valid_count: int = 400, kept: int | None = 3
) -> Finding | None:
    count = len(valid_error)
    falling = train_loss or np.linspace(1.0, 0.001, count).tolist()
    curve = curve_of(
        train_error=[0.0] * count, valid_error=valid_error, train_loss=falling, valid_count=valid_count, kept=kept,
        steps=[1.0] * 9,
    )  # fmt: skip
    return too_many_epochs(evidence_of(curve=curve))


def test_too_high_a_lr_makes_the_loss_diverge_and_spoils_what_is_learned() -> None:
    lost = curve_of(train_error=[0.9, 0.9], valid_error=[0.9, 0.9], train_loss=[9.0, CHANCE_LOSS], steps=DIVERGED)
    assert high(lost) == "high"
    assert high(curve_of(train_error=[0.9, 0.3], valid_error=[0.9, 0.3], steps=DIVERGED)) == "medium"
    assert high(curve_of(train_error=[0.9, 0.1], valid_error=[0.9, 0.1], steps=DIVERGED)) is None  # it recovered
    calm = curve_of(train_error=[0.9, 0.9], valid_error=[0.9, 0.9], train_loss=[9.0, CHANCE_LOSS], steps=[2.3] * 20)
    assert high(calm) is None  # nothing was learned, but nothing diverged either


def test_too_high_a_lr_ruins_a_trained_head() -> None:
    steps = [0.5, 0.5, 0.5, *[4.0] * 10]
    worse = curve_of(train_error=[0.1, 0.15], valid_error=[0.1, 0.15], train_loss=[0.3, 0.6], steps=steps, first=0)
    assert high(worse) == "high"
    better = curve_of(train_error=[0.1, 0.05], valid_error=[0.1, 0.1], train_loss=[0.3, 0.2], steps=steps, first=0)
    assert high(better) is None


@pytest.mark.parametrize(
    ("kept", "end"), [(0, "; the weights of the head stage were kept."), (1, "; the weights of epoch 1 were kept.")]
)
def test_too_high_a_lr_names_the_weights_that_were_kept(kept: int, end: str) -> None:
    worse = curve_of(
        train_error=[0.1, 0.15], valid_error=[0.1, 0.15], train_loss=[0.3, 0.6], steps=[0.5, 0.5, 0.5, *[4.0] * 10],
        first=0, kept=kept,
    )  # fmt: skip
    finding = lr_too_high(evidence_of(curve=worse))
    assert finding
    assert finding.summary.endswith(f"worse than the trained head that it started with{end}")


def test_a_model_that_learned_something_is_not_said_to_have_learned_nothing() -> None:
    """A model that is worse than the trained head that it started with may still be far better than guessing."""
    steps = [0.5, 0.5, 0.5, *[4.0] * 10]
    worse = curve_of(train_error=[0.1, 0.15], valid_error=[0.1, 0.15], train_loss=[0.3, 0.6], steps=steps, first=0)
    lost = curve_of(train_error=[0.1, 0.9], valid_error=[0.1, 0.9], train_loss=[0.3, 2.4], steps=steps, first=0)
    little = curve_of(train_error=[0.9, 0.3], valid_error=[0.9, 0.3], steps=DIVERGED)
    consequences = {}
    for name, curve in {"worse": worse, "lost": lost, "little": little}.items():
        finding = lr_too_high(evidence_of(curve=curve))
        assert finding
        consequences[name] = finding.summary.rsplit(", and ")[1]
    assert consequences == {
        "worse": "the model ended worse than the trained head that it started with.",
        "lost": "nothing was learned in the end.",
        "little": "little was learned in the end.",
    }


def test_after_too_high_a_lr_a_tenth_of_it_is_tried() -> None:
    finding = lr_too_high(
        evidence_of(curve=curve_of(train_error=[0.9, 0.3], valid_error=[0.9, 0.3], steps=DIVERGED, lr=0.456))
    )
    assert finding
    assert finding.summary.startswith("The learning rate of 0.46 is too high: the loss of the training steps rose from")
    assert finding.remedy == Remedy(command="fit", changes={"lr": 0.046})


def test_a_loss_that_diverges_back_to_guessing_means_too_high_a_lr_and_never_too_low_a_one() -> None:
    steps = [*np.linspace(2.3, 1.0, 20), *[2.3] * 40]
    back = curve_of(train_error=[0.9, 0.9], valid_error=[0.9, 0.9], train_loss=[1.0, CHANCE_LOSS], steps=steps)
    assert high(back) == "high"
    assert low(back) is None


def test_nothing_is_said_about_the_lr_without_fine_tuning() -> None:
    head = curve_of(train_error=[0.5], valid_error=[0.5], steps=[], lr=0.0, first=0)
    assert high(head) is None
    assert low(head) is None


@pytest.mark.parametrize(
    ("lowest", "confidence"), [(2e-4, None), (2.9e-4, None), (3.1e-4, "medium"), (1e-3, "high"), (1e-1, "high")]
)
def test_the_lr_finder_says_whether_a_lr_is_too_low(lowest: float, confidence: str | None) -> None:
    finding = low(SLOW, suggestion=suggestion_of(lowest, 10 * lowest))
    assert (finding.confidence if finding else None) == confidence
    if finding:
        assert finding.remedy == Remedy(command="fit", changes={"lr": lowest})
        assert finding.evidence["lowest_suggested_lr"] == lowest


def test_without_the_lr_finder_it_is_a_guess() -> None:
    finding = low(SLOW)
    assert finding
    assert finding.confidence == "low"
    assert "only the learning rate finder can tell which" in finding.summary
    assert finding.evidence["final_train_error"] == pytest.approx(0.7)
    assert finding.remedy == Remedy(command="lr_find")


@pytest.mark.parametrize(("edge", "confidence"), [(2e-4, None), (5e-4, "low"), (1e-2, "medium")])
def test_an_lr_finder_whose_loss_hardly_fell_says_up_to_which_lr_it_did_not_rise(
    edge: float, confidence: str | None
) -> None:
    finding = low(SLOW, suggestion=edge_of(edge))
    assert (finding.confidence if finding else None) == confidence
    if finding:
        assert finding.summary.endswith(
            f"and the loss in the learning rate finder, which hardly fell, began to rise only above {edge:.2g}."
        )
        assert finding.remedy == Remedy(command="fit", changes={"lr": edge})


def test_a_run_with_the_lr_finder_is_not_sent_to_it_again() -> None:
    suggestion = suggestion_of(0.01, 0.1)
    assert try_other_lr(evidence_of(curve=SLOW)) == Remedy(command="lr_find")
    swept = evidence_of(curve=SLOW, lr_suggestion=suggestion)
    assert try_other_lr(swept) == Remedy(command="fit", changes={"lr": 0.032})
    near = curve_of(train_error=[0.9], valid_error=[0.9], lr=0.03)
    found = try_other_lr(evidence_of(curve=near, lr_suggestion=suggestion))
    assert found == Remedy(command="fit", changes={"epochs": 3})


def test_learning_that_has_not_finished() -> None:
    assert few(curve_of(train_error=FALLING, valid_error=FALLING))
    assert few(curve_of(train_error=FALLING, valid_error=[0.9, 0.7, 0.75])) is None  # validation no longer improves
    assert few(curve_of(train_error=[0.4, 0.4, 0.4], valid_error=[0.4, 0.4, 0.4])) is None  # nothing changes
    assert few(curve_of(train_error=[0.2, 0.1, 0.04], valid_error=[0.3, 0.2, 0.07])) is None  # nothing left to learn
    # The training images are known much better than others.
    assert few(curve_of(train_error=[0.5, 0.3, 0.1], valid_error=[0.6, 0.5, 0.4])) is None
    flat = curve_of(train_error=[0.9, 0.89], valid_error=[0.9, 0.9], train_loss=[2.3, 2.29], valid_loss=[2.3, 2.3])
    assert few(flat)  # next to nothing was learned
    assert few(dataclasses.replace(flat, step_losses=np.array([2.3, *[3.0] * 9]))) is None  # it diverged
    assert few(dataclasses.replace(flat, train_loss=np.array([np.nan, np.nan]))) is None  # not measured


def test_if_the_lr_finder_does_not_call_the_lr_too_low_the_epochs_were_too_few() -> None:
    curve = curve_of(train_error=FALLING, valid_error=FALLING, lr=0.01)
    unsure, sure = few(curve), few(curve, suggestion=suggestion_of(0.005, 0.05))
    assert unsure
    assert sure
    assert (unsure.confidence, sure.confidence) == ("low", "medium")
    assert "only the learning rate finder can tell which" in unsure.summary
    assert sure.summary.endswith(
        "after 3 epochs: they were too few, since by the learning rate finder the learning rate is not too low."
    )
    assert few(curve, suggestion=suggestion_of(0.1, 1.0)) is None
    assert sure.remedy == Remedy(command="fit", changes={"epochs": 9})


def test_an_lr_finder_whose_loss_hardly_fell_counts_too() -> None:
    """It says above which lr the loss rises: a run at that lr is not slow because of it."""
    found = few(curve_of(train_error=FALLING, valid_error=FALLING, lr=0.01), suggestion=edge_of(0.01))
    assert found
    assert found.confidence == "medium"
    assert found.summary.endswith("too few, since the loss in the learning rate finder began to rise above 0.01.")
    assert few(curve_of(train_error=FALLING, valid_error=FALLING, lr=0.001), suggestion=edge_of(0.01)) is None


def test_a_validation_error_that_gets_worse_for_long_is_overfitting() -> None:
    worse = [0.5, 0.3, 0.2, 0.2, 0.2, 0.25, 0.3, 0.3, 0.3]
    finding = many(worse)
    assert finding
    assert finding.confidence == "high"
    assert finding.evidence["lowest_valid_error"] == pytest.approx(0.2)
    assert finding.evidence["kept_epoch"] == 3
    assert finding.summary.endswith("; the weights of epoch 3 were kept.")
    assert finding.remedy == Remedy(command="fit", changes={"epochs": 3})
    assert many(worse, valid_count=40)  # a tenth of forty images counts
    assert many(worse, valid_count=10) is None  # of ten it is one image
    # The training images are forgotten too: that is no overfitting.
    assert many(worse, train_loss=[1.0, 0.5, 0.4, 0.4, 0.4, 0.6, 0.9, 0.9, 0.9]) is None


def test_the_epoch_that_was_kept_is_that_of_the_history() -> None:
    """Among epochs with the same error, the one with the lowest loss was kept: not the first of them."""
    worse = [0.5, 0.3, 0.2, 0.2, 0.2, 0.25, 0.3, 0.3, 0.3]
    finding = many(worse, kept=5)
    assert finding
    assert finding.evidence["kept_epoch"] == 5
    assert "; the weights of epoch 5 were kept." in finding.summary
    assert finding.remedy == Remedy(command="fit", changes={"epochs": 5})
    unknown = many(worse, kept=None)
    assert unknown
    assert "kept" not in unknown.summary
    assert unknown.remedy == Remedy(command="fit", changes={"epochs": 4})


def test_if_the_head_stage_was_best_no_epochs_are_tried() -> None:
    curve = curve_of(
        train_error=[0.0] * 6, valid_error=[0.1, 0.12, 0.2, 0.2, 0.25, 0.3], train_loss=[1.0, 0.5, 0.4, 0.3, 0.2, 0.1],
        first=0, kept=0,
    )  # fmt: skip
    finding = too_many_epochs(evidence_of(curve=curve))
    assert finding
    assert finding.summary.endswith("; the weights of the head stage were kept.")
    assert finding.remedy == Remedy(command="fit", changes={"epochs": 0})


def test_what_is_normal_is_not_overfitting() -> None:
    assert many([0.5, 0.3, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2]) is None  # with the training error at 0 all along
    assert many([0.5, 0.3, 0.2, 0.19, 0.21, 0.2, 0.19, 0.2]) is None  # chance
    assert many([0.5, 0.3, 0.2, 0.19, 0.2, 0.3]) is None  # worse, but not for long
    assert many([0.2, 0.3]) is None  # two epochs are no trend
    valid_loss = [1.4, 1.1, 0.9, 0.86, 0.81, 0.86, 0.9, 0.93, 0.94]  # of the grocery photos
    grocery = curve_of(
        train_error=[0.05, 0.04, 0.03, 0.02, 0.01, 0.0, 0.0, 0.0, 0.0],
        valid_error=[0.24, 0.23, 0.23, 0.21, 0.16, 0.15, 0.13, 0.15, 0.14],
        train_loss=[0.4, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01, 0.01, 0.01],
        valid_loss=valid_loss,
        first=0,
        valid_count=296,
    )
    assert too_many_epochs(evidence_of(curve=grocery)) is None
    assert few(grocery) is None


@pytest.mark.parametrize(("train_counts", "sampler"), [((30, 10, 10), True), ((29, 10, 10), False), ((9, 9, 9), False)])
def test_a_collapse_is_met_with_a_sampler_if_the_training_images_are_unbalanced(
    train_counts: tuple[int, ...], sampler: bool
) -> None:
    """This does not depend on the validation images."""
    for targets in ([0] * 10 + [1] * 10, [0] * 95 + [1] * 5):
        finding = prediction_collapse(
            evidence_of(
                catalog=catalog_of(dict(zip("abc", train_counts, strict=True)), {"a": 1}),
                valid=Predictions(
                    names=[str(number) for number in range(len(targets))],
                    probabilities=np.tile([0.8, 0.1, 0.1], (len(targets), 1)),
                    targets=np.array(targets),
                ),
            )
        )
        assert finding
        assert (finding.confidence, finding.evidence["favoured_classes"]) == ("high", ["a"])
        assert finding.remedy == (
            Remedy(command="fit", changes={"balance": "sampler"}) if sampler else Remedy(command="lr_find")
        )
