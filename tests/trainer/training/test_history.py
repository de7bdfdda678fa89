from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.full_disk import no_file_over
from trainer.training.history import History, read_history


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def written(path: Path) -> History:
    history = History(path)
    history.event("stage", stage="head", seconds=1.5)
    history.events("step", [{"loss": 2.0}, {"loss": 1.0}])
    return history


def test_every_event_is_a_line(tmp_path: Path) -> None:
    history = written(tmp_path / "history.jsonl")
    history.event("epoch", valid={"loss": float("nan")}, lr=float("inf"))
    assert records(tmp_path / "history.jsonl") == [
        {"event": "stage", "stage": "head", "seconds": 1.5},
        {"event": "step", "loss": 2.0},
        {"event": "step", "loss": 1.0},
        {"event": "epoch", "valid": {"loss": None}, "lr": None},
    ]
    assert history.length_bytes == (tmp_path / "history.jsonl").stat().st_size


def test_what_was_written_after_a_length_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    history = written(path)
    length, before = history.length_bytes, path.read_bytes()
    history.event("epoch", epoch=1)
    history.truncate(length)
    assert path.read_bytes() == before
    history.truncate(0)
    assert path.read_bytes() == b""


@pytest.mark.parametrize("lost", [1, 5, 20, 60])
def test_a_history_that_is_shorter_than_before_keeps_its_complete_events(tmp_path: Path, lost: int) -> None:
    """After a power cut; it must not be filled up with zeros, which no resume could read."""
    path = tmp_path / "history.jsonl"
    history = written(path)
    length, before = history.length_bytes, records(path)
    os.truncate(path, length - lost)
    history.truncate(length)
    kept = records(path)
    assert kept == before[: len(kept)]
    assert len(kept) < len(before)
    history.event("epoch", epoch=1)
    assert records(path) == [*kept, {"event": "epoch", "epoch": 1}]


def test_zeros_instead_of_events_are_removed(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    history = written(path)
    before = records(path)
    os.truncate(path, history.length_bytes + 30)
    history.event("epoch", epoch=1)
    history.truncate(history.length_bytes)
    assert records(path) == before


def test_half_an_event_after_a_full_disk_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    history = written(path)
    length, before = history.length_bytes, records(path)
    with no_file_over(length + 40), pytest.raises(OSError, match="File too large"):
        history.events("step", [{"loss": 0.5}, {"loss": 0.25}])
    assert history.length_bytes > length
    history.truncate(length)
    assert records(path) == before


def test_a_history_without_a_path_writes_nothing(tmp_path: Path) -> None:
    history = History(None)
    history.event("epoch", epoch=1)
    history.truncate(0)
    assert history.length_bytes == 0


def epoch(number: int, accuracy: float, *, best: bool, **more: Any) -> dict[str, Any]:
    valid = {"accuracy": accuracy, "macro_f1": accuracy, "loss": 1 - accuracy}
    stage = "finetune" if number else "head"
    return {"event": "epoch", "stage": stage, "epoch": number, "valid": valid, "best": best, **more}


def step(number: int, loss: float | None) -> dict[str, Any]:
    return {"event": "step", "epoch": number, "lr": 0.01, "momentum": 0.9, "loss": loss}


def stage(name: str, seconds: float) -> dict[str, Any]:
    return {"event": "stage", "stage": name, "seconds": seconds}


def test_a_history_is_read_as_epochs_steps_and_seconds(tmp_path: Path) -> None:
    """A step is placed between the epochs; one whose loss was not finite is left out."""
    events = [
        epoch(0, 0.5, best=True),
        step(1, 3.0),
        step(1, 2.0),
        epoch(1, 0.7, best=True, images_per_second=30.0, train={"accuracy": 0.9, "loss": None}),
        step(2, None),
        step(2, 1.0),
        epoch(2, 0.6, best=False),
        {"event": "warning", "text": "out of memory"},
        stage("finetune", 2.0),
        stage("finetune", 3.0),
    ]
    path = tmp_path / "history.jsonl"
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    history = read_history(path)
    assert [(step.epoch, step.loss) for step in history.steps] == [(0.25, 3.0), (0.75, 2.0), (1.75, 1.0)]
    assert history.seconds == {"finetune": 5.0}
    assert history.kept is history.epochs[1]
    assert [epoch.number for epoch in history.epochs] == [0, 1, 2]
    assert [epoch.images_per_second for epoch in history.epochs] == [None, 30.0, None]
    assert history.epochs[1].train == {"accuracy": 0.9}


@pytest.mark.parametrize(
    ("best", "sentence"),
    [
        ([True, False], "The one epoch of fine-tuning was not better than the head stage before, so the weights of "),
        ([True, False, False], "None of the 2 epochs of fine-tuning was better than the head stage before, so the w"),
        ([True, False, True], ""),
        ([True], ""),
        ([False, False], ""),
    ],
)
def test_a_head_that_is_kept_is_said_in_a_sentence(tmp_path: Path, best: list[bool], sentence: str) -> None:
    history = History(tmp_path / "history.jsonl")
    for number, is_best in enumerate(best):
        stage = "finetune" if number else "head"
        history.event("epoch", stage=stage, epoch=number, valid={"accuracy": 0.5}, train={}, best=is_best)
    said = read_history(tmp_path / "history.jsonl").kept_head
    assert said[:80] == sentence[:80]
    assert not said or said.endswith("the weights of the head stage were kept.")


def test_without_a_head_stage_the_best_epoch_is_no_head(tmp_path: Path) -> None:
    history = History(tmp_path / "history.jsonl")
    history.event("epoch", stage="finetune", epoch=1, valid={}, train={}, best=True)
    assert read_history(tmp_path / "history.jsonl").kept_head == ""
