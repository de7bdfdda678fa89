from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.trainer.diagnosis.cases import curve_of
from trainer.diagnosis.curve import LearningCurve, chance_loss
from trainer.training.history import read_history


def test_the_chance_loss_is_the_entropy_of_the_labels() -> None:
    assert chance_loss(np.array([0, 1, 2, 3]), task="classification") == pytest.approx(np.log(4))
    assert chance_loss(np.array([0, 0, 0, 2]), task="classification") == pytest.approx(0.5623, abs=1e-4)
    targets = np.array([[1.0, 0.0], [0.0, 0.0]])
    assert chance_loss(targets, task="multilabel") == pytest.approx(np.log(2) / 2)


def test_a_history_may_start_in_the_middle_and_lack_the_training_metrics(tmp_path: Path) -> None:
    """A run that an older version started has such a history."""
    events: list[dict[str, object]] = [
        {"event": "step", "epoch": 3, "lr": 0.01, "momentum": 0.9, "loss": None},
        {"event": "step", "epoch": 3, "lr": 0.02, "momentum": 0.9, "loss": 1.5},
        {"event": "epoch", "stage": "finetune", "epoch": 3, "valid": {"accuracy": 0.5, "loss": 1.0}, "best": True},
        {
            "event": "epoch", "stage": "finetune", "epoch": 4, "valid": {"accuracy": 0.75, "loss": None}, "best": True,
            "train": {"accuracy": 1.0, "loss": 0.25},
        },
    ]  # fmt: skip
    (tmp_path / "history.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    found = LearningCurve.from_history(
        read_history(tmp_path / "history.jsonl"),
        task="classification",
        train_targets=np.array([0, 1]),
        valid_count=4,
    )
    assert found.epoch_numbers.tolist() == [3, 4]
    assert found.epoch_count == 2
    assert found.valid_error.tolist() == [0.5, 0.25]
    assert np.isnan(found.train_error[0])
    assert np.isnan(found.valid_loss[1])
    assert found.train_error[1] == 0
    assert (found.max_lr, found.step_losses.tolist(), found.kept_epoch) == (0.02, [1.5], 4)


def test_a_loss_diverges_if_it_rises_by_a_twentieth_of_the_chance_loss() -> None:
    def diverged(steps: list[float], *, first: int = 1) -> bool:
        return curve_of(train_error=[0.5], valid_error=[0.5], steps=steps, first=first).diverged

    assert not diverged([2.3] + [2.4] * 20)
    assert diverged([2.3] + [2.43] * 20)
    assert diverged([2.3] * 10 + [3.0] * 3 + [1.0] * 10)  # and falls again
    assert not diverged([])
    wild = [0.5, 0.9, 0.3, 0.8, 0.4, 1.0, 0.9, 0.8, 0.5, 0.3] * 3
    assert diverged(wild)  # of a new head, whose first loss is exact
    assert not diverged(wild, first=0)  # after a head stage the first loss is that of one batch
    assert diverged([0.5, 0.6, 0.5, 0.4, *[5.0] * 10], first=0)


def test_a_loss_may_diverge_without_rising_above_the_first_one() -> None:
    """Without a head stage the first loss is the chance loss, and the loss may fall and rise back to it."""
    back = curve_of(train_error=[0.9], valid_error=[0.9], steps=[*np.linspace(2.3, 1.0, 20), *[2.3] * 40])
    assert back.diverged
    assert back.largest_rise == pytest.approx((1.0, 2.3), abs=0.1)
    several = curve_of(train_error=[0.9], valid_error=[0.9], steps=[0.69, *np.linspace(0.5, 0.1, 20), *[0.5] * 40])
    assert several.diverged  # several labels for each image: the first loss is above the chance loss


@pytest.mark.parametrize("noise", [0.02, 0.1, 0.3])
@pytest.mark.parametrize("steps", [12, 60, 1000])
def test_a_loss_that_falls_noisily_does_not_diverge(noise: float, steps: int) -> None:
    for seed in range(20):
        random = np.random.default_rng(seed)
        new = np.arange(steps) < steps // 4  # its predictions are all the same
        falling = np.linspace(2.3, 0.5, steps) + np.where(new, 0, noise * random.normal(size=steps))
        level = 0.5 + noise * random.normal(size=steps)
        assert not curve_of(train_error=[0.2], valid_error=[0.2], steps=falling.tolist()).diverged
        assert not curve_of(train_error=[0.2], valid_error=[0.2], steps=level.tolist(), first=0).diverged
