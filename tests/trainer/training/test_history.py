from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.full_disk import no_file_over
from trainer.training.history import History


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def written(path: Path) -> History:
    history = History(path)
    history.write("stage", stage="head", seconds=1.5)
    history.write_all("step", [{"loss": 2.0}, {"loss": 1.0}])
    return history


def test_what_was_said_is_a_line_each(tmp_path: Path) -> None:
    history = written(tmp_path / "history.jsonl")
    history.write("epoch", valid={"loss": float("nan")}, rate=float("inf"))
    assert records(tmp_path / "history.jsonl") == [
        {"event": "stage", "stage": "head", "seconds": 1.5},
        {"event": "step", "loss": 2.0},
        {"event": "step", "loss": 1.0},
        {"event": "epoch", "valid": {"loss": None}, "rate": None},
    ]
    assert history.length_bytes == (tmp_path / "history.jsonl").stat().st_size


def test_what_came_after_a_length_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    history = written(path)
    length, before = history.length_bytes, path.read_bytes()
    history.write("epoch", epoch=1)
    history.cut(length)
    assert path.read_bytes() == before
    history.cut(0)
    assert path.read_bytes() == b""


@pytest.mark.parametrize("lost", [1, 5, 20, 60])
def test_a_history_that_is_shorter_than_it_was_keeps_its_whole_records(tmp_path: Path, lost: int) -> None:
    """After a power cut it was filled up with zeros, and no resume could read it."""
    path = tmp_path / "history.jsonl"
    history = written(path)
    length, before = history.length_bytes, records(path)
    os.truncate(path, length - lost)
    history.cut(length)
    kept = records(path)
    assert kept == before[: len(kept)]
    assert len(kept) < len(before)
    history.write("epoch", epoch=1)
    assert records(path) == [*kept, {"event": "epoch", "epoch": 1}]


def test_zeros_in_the_place_of_records_are_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    history = written(path)
    before = records(path)
    os.truncate(path, history.length_bytes + 30)
    history.write("epoch", epoch=1)
    history.cut(history.length_bytes)
    assert records(path) == before


def test_after_a_full_disk_the_half_of_a_record_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    history = written(path)
    length, before = history.length_bytes, records(path)
    with no_file_over(length + 40), pytest.raises(OSError, match="File too large"):
        history.write_all("step", [{"loss": 0.5}, {"loss": 0.25}])
    assert history.length_bytes > length
    history.cut(length)
    assert records(path) == before


def test_a_process_that_is_not_the_main_one_writes_nothing(tmp_path: Path) -> None:
    history = History(None)
    history.write("epoch", epoch=1)
    history.cut(0)
    assert history.length_bytes == 0
