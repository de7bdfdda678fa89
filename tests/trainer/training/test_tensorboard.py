"""The event files, read back by TensorBoard's own reader."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.support.trainer import trainer
from tests.support.training import read_events
from trainer.training.history import History
from trainer.training.tensorboard import TensorBoard

OPTIONS = (
    "--backbone", "tiny", "--epochs", "4", "--batch-size", "8", "--lr", "0.02", "--device", "cpu", "--tensorboard",
)  # fmt: skip


def scalars(run: Path) -> dict[str, list[tuple[int, float]]]:
    """tag -> (step, value) of everything that TensorBoard would show."""
    events = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0})
    events.Reload()
    return {
        tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in sorted(events.Tags()["scalars"])
    }


def events_of(run: Path, name: str) -> list[dict[str, Any]]:
    return read_events(run, name) if (run / "history.jsonl").exists() else []


def require_same(run: Path) -> None:
    """Require that the board shows the numbers of the history, each once."""
    shown, steps, epochs = scalars(run), events_of(run, "step"), events_of(run, "epoch")
    for tag, name in (("loss/step", "loss"), ("schedule/lr", "lr"), ("schedule/momentum", "momentum")):
        assert shown[tag] == [(number, pytest.approx(step[name])) for number, step in enumerate(steps, start=1)]
    for name in ("loss", "accuracy", "macro_f1"):
        assert [value for _, value in shown[f"{name}/valid"]] == pytest.approx(
            [epoch["valid"][name] for epoch in epochs]
        )
    ends = [sum(step["epoch"] <= epoch["epoch"] for step in steps) for epoch in epochs]
    assert [step for step, _ in shown["loss/valid"]] == ends


def test_the_board_shows_what_the_history_has(photos: Path, tmp_path: Path, cache: Path) -> None:
    run = tmp_path / "run"
    result = trainer("fit", photos, "--out", run, "--cache", cache, *OPTIONS)
    assert result.exit_code == 0, result.output
    require_same(run)
    assert [value for _, value in scalars(run)["loss/train"]] == pytest.approx(
        [epoch["train"]["loss"] for epoch in events_of(run, "epoch")]
    )


def test_a_run_that_was_killed_shows_each_step_once(photos: Path, tmp_path: Path, cache: Path) -> None:
    run = tmp_path / "run"
    arguments = ["fit", photos, "--out", run, "--cache", cache, *OPTIONS, "--epochs", "40"]
    command = [sys.executable, "-m", "trainer", *map(str, arguments)]
    environ = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=environ) as process:
        while process.poll() is None and len(events_of(run, "epoch")) < 3:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
    assert 3 <= len(events_of(run, "epoch")) < 40
    assert trainer("resume", run, "--cache", cache, "--device", "cpu").exit_code == 0
    require_same(run)


def test_what_was_removed_from_the_history_is_no_longer_shown(tmp_path: Path) -> None:
    """A process that dies between the events of an epoch and its checkpoint leaves events that are written again."""
    path = tmp_path / "history.jsonl"

    def write(history: History, *, epoch: int, loss: float) -> None:
        steps = [{"epoch": epoch, "lr": 0.1, "momentum": 0.9, "loss": loss} for _ in range(3)]
        history.events("step", steps)
        history.event("epoch", epoch=epoch, valid={"loss": loss, "accuracy": loss, "macro_f1": loss})

    with TensorBoard(tmp_path / "tensorboard") as board:
        history = History(path, board=board)
        history.truncate(0)
        history.event("epoch", epoch=0, valid={"loss": 9.0, "accuracy": 9.0, "macro_f1": 9.0})
        write(history, epoch=1, loss=1.0)
        saved = history.length_bytes
        write(history, epoch=2, loss=2.0)
    for length, epochs in ((saved, (2, 3)), (0, (0, 1))):
        with TensorBoard(tmp_path / "tensorboard") as board:
            history = History(path, board=board)
            history.truncate(length)
            for epoch in epochs:
                write(history, epoch=epoch, loss=10.0 + epoch)
        require_same(tmp_path)


def test_the_error_says_which_extra_is_missing(
    photos: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    result = trainer("fit", photos, "--out", tmp_path / "run", "--cache", cache, *OPTIONS)
    assert result.exit_code == 2
    assert "error: --tensorboard needs an extra: pip install 'fieldguide[tensorboard]'" in result.stderr
    assert not (tmp_path / "run").exists()
