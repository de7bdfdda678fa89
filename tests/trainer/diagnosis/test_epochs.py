from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests.trainer.diagnosis.curves import COMMANDS, curve, sweep_of
from trainer.diagnosis.curve import Curve
from trainer.diagnosis.epochs import too_few_epochs, too_many_epochs
from trainer.diagnosis.finding import Finding
from trainer.diagnosis.lr_evidence import Sweep
from trainer.recipe import FinetuneRecipe, Recipe

DOWN = [0.9, 0.6, 0.4]
SIZED = Recipe(finetune=FinetuneRecipe(sizes="128:3,224:2"))


def few(found: Curve, *, explained: float = 0.0, sweep: Sweep | None = None) -> Finding | None:
    return too_few_epochs(found, sweep=sweep, explained=explained, commands=COMMANDS)


def many(
    valid_error: list[float], *, train_loss: list[float] | None = None, valid_count: int = 400, kept: int | None = 3
) -> Finding | None:
    count = len(valid_error)
    falling = train_loss or np.linspace(1.0, 0.001, count).tolist()
    found = curve(
        train_error=[0.0] * count, valid_error=valid_error, train_loss=falling, valid_count=valid_count, kept=kept,
        steps=[1.0] * 9,
    )  # fmt: skip
    return too_many_epochs(found, commands=COMMANDS)


def test_learning_that_is_not_over() -> None:
    assert few(curve(train_error=DOWN, valid_error=DOWN))
    assert few(curve(train_error=DOWN, valid_error=[0.9, 0.7, 0.75])) is None  # validation no longer gains
    assert few(curve(train_error=[0.4, 0.4, 0.4], valid_error=[0.4, 0.4, 0.4])) is None  # nothing moves
    assert few(curve(train_error=[0.2, 0.1, 0.04], valid_error=[0.3, 0.2, 0.07])) is None  # nothing is left to learn
    assert few(curve(train_error=[0.5, 0.3, 0.1], valid_error=[0.6, 0.5, 0.4])) is None  # known much better than others
    flat = curve(train_error=[0.9, 0.89], valid_error=[0.9, 0.9], train_loss=[2.3, 2.29], valid_loss=[2.3, 2.3])
    assert few(flat)  # next to nothing was learned
    assert few(dataclasses.replace(flat, step_losses=np.array([2.3, *[3.0] * 9]))) is None  # it burst
    assert few(dataclasses.replace(flat, train_loss=np.array([np.nan, np.nan]))) is None  # not measured


def test_errors_that_wrong_labels_explain_are_no_fault_of_the_learning() -> None:
    noisy = curve(train_error=[0.5, 0.3, 0.2], valid_error=[0.5, 0.3, 0.25])
    assert few(noisy)
    assert few(noisy, explained=0.17) is None


def test_a_sweep_that_does_not_call_the_rate_low_leaves_the_epochs() -> None:
    found = curve(train_error=DOWN, valid_error=DOWN, rate=0.01)
    alike, sure = few(found), few(found, sweep=sweep_of(0.005, 0.05))
    assert alike
    assert sure
    assert (alike.confidence, sure.confidence) == ("low", "medium")
    assert "look alike" in alike.summary
    assert "look alike" not in sure.summary
    assert few(found, sweep=sweep_of(0.1, 1.0)) is None
    assert "--epochs 9 " in sure.command


def test_a_sweep_whose_loss_hardly_fell_speaks_too() -> None:
    """It says above which rate the loss rises: so a run at that rate is not slow for want of it."""
    edge = Sweep(lowest=0.01, highest=0.01, suggestion=0.01, rule="edge")
    found = few(curve(train_error=DOWN, valid_error=DOWN, rate=0.01), sweep=edge)
    assert found
    assert found.confidence == "medium"
    assert found.summary.endswith("too few, since in the sweep of the learning rate the loss began to rise above 0.01.")
    assert few(curve(train_error=DOWN, valid_error=DOWN, rate=0.001), sweep=edge) is None


def test_a_validation_error_that_gets_worse_for_long_is_overfitting() -> None:
    worse = [0.5, 0.3, 0.2, 0.2, 0.2, 0.25, 0.3, 0.3, 0.3]
    finding = many(worse)
    assert finding
    assert finding.confidence == "high"
    assert finding.evidence["lowest_valid_error"] == pytest.approx(0.2)
    assert finding.evidence["kept_epoch"] == 3
    assert finding.summary.endswith("; the weights of epoch 3 were kept.")
    assert "--epochs 3 " in finding.command
    assert many(worse, valid_count=40)  # a tenth of forty images is worth a word
    assert many(worse, valid_count=10) is None  # of ten it is one image
    # The training images are forgotten too: that is no overfitting.
    assert many(worse, train_loss=[1.0, 0.5, 0.4, 0.4, 0.4, 0.6, 0.9, 0.9, 0.9]) is None


def test_the_epoch_that_was_kept_is_that_of_the_history() -> None:
    """Of epochs that are equally often right, that with the least loss was kept: not the first of them."""
    worse = [0.5, 0.3, 0.2, 0.2, 0.2, 0.25, 0.3, 0.3, 0.3]
    finding = many(worse, kept=5)
    assert finding
    assert finding.evidence["kept_epoch"] == 5
    assert "; the weights of epoch 5 were kept." in finding.summary
    assert "--epochs 5 " in finding.command
    unknown = many(worse, kept=None)
    assert unknown
    assert "kept" not in unknown.summary
    assert "--epochs 4 " in unknown.command


def test_where_the_head_stage_was_best_no_epoch_of_the_whole_network_is_told_to_try() -> None:
    found = curve(
        train_error=[0.0] * 6, valid_error=[0.1, 0.12, 0.2, 0.2, 0.25, 0.3], train_loss=[1.0, 0.5, 0.4, 0.3, 0.2, 0.1],
        first=0, kept=0,
    )  # fmt: skip
    finding = too_many_epochs(found, commands=COMMANDS)
    assert finding
    assert finding.summary.endswith("; the weights of the head stage were kept.")
    assert "--epochs 0 " in finding.command
    sized = too_many_epochs(found, commands=dataclasses.replace(COMMANDS, recipe=SIZED))
    assert sized
    assert "--sizes '' --epochs 0 " in sized.command  # what the recipe says of the sizes would ask for epochs


def test_what_is_normal_is_not_overfitting() -> None:
    assert many([0.5, 0.3, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2]) is None  # with the training error at 0 all along
    assert many([0.5, 0.3, 0.2, 0.19, 0.21, 0.2, 0.19, 0.2]) is None  # chance
    assert many([0.5, 0.3, 0.2, 0.19, 0.2, 0.3]) is None  # worse, but not for long
    assert many([0.2, 0.3]) is None  # two epochs are no course
    valid_loss = [1.4, 1.1, 0.9, 0.86, 0.81, 0.86, 0.9, 0.93, 0.94]  # of the grocery photos
    found = curve(
        train_error=[0.05, 0.04, 0.03, 0.02, 0.01, 0.0, 0.0, 0.0, 0.0],
        valid_error=[0.24, 0.23, 0.23, 0.21, 0.16, 0.15, 0.13, 0.15, 0.14],
        train_loss=[0.4, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01, 0.01, 0.01],
        valid_loss=valid_loss,
        first=0,
        valid_count=296,
    )
    assert too_many_epochs(found, commands=COMMANDS) is None
    assert few(found) is None


def test_sizes_keep_their_shares_of_the_epochs() -> None:
    commands = dataclasses.replace(COMMANDS, recipe=SIZED)
    finding = too_few_epochs(curve(train_error=DOWN, valid_error=DOWN), sweep=None, explained=0.0, commands=commands)
    assert finding
    assert "--sizes 128:5,224:4 " in finding.command  # nine epochs
