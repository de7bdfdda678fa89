"""`trainer fit` on the photos: by default, with `--lr auto`, and killed in the middle and resumed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from tests.benchmarks.environment import ROOT
from tests.benchmarks.gpu.setting import Deadline, Setting
from tests.benchmarks.training.results import markdown, percent
from trainer.run import RunFolder

_POLL_S = 0.01


def measure_fits(setting: Setting, deadline: Deadline) -> Iterator[str]:
    """Yield a table after each fit: seconds of each stage and accuracy on the validation photos."""
    rows, plain = [], setting.work / "default"
    rows.append(_row("default, photos not decoded yet", *_fit(setting, plain, deadline)))
    yield _table(rows)
    killed = setting.work / "killed"
    epoch = _kill_in_the_middle(setting, killed, epochs=_epochs(plain), deadline=deadline)
    resumed = _trainer(setting, "resume", killed, deadline=deadline)
    same = "the same" if _same_weights(plain, killed) else "not the same"
    rows.append(_row(f"killed (SIGKILL) in epoch {epoch}, resumed", *resumed))
    yield _table(rows[-1:])
    yield (
        f"Weights after the resumed fit: {same} as those of the fit that was not killed, bit by bit. Its stages count "
        "the time before the kill, too; its whole process is that of `trainer resume`."
    )
    rows.append(_row("`--lr auto`", *_fit(setting, setting.work / "auto", deadline, "--lr", "auto")))
    yield _table(rows[-1:])


def _fit_arguments(setting: Setting, run: Path) -> list[str | Path]:
    return [setting.photos, "--out", run, *setting.plan.fit_options]


def _fit(setting: Setting, run: Path, deadline: Deadline, *options: str) -> tuple[dict[str, Any], float]:
    return _trainer(setting, "fit", *_fit_arguments(setting, run), *options, deadline=deadline)


def _command(setting: Setting, *arguments: str | Path) -> list[str]:
    command = [sys.executable, "-m", "trainer", *map(str, arguments)]
    return [*command, "--device", str(setting.device), "--cache", str(setting.work / "fit-cache")]


def _trainer(setting: Setting, *arguments: str | Path, deadline: Deadline) -> tuple[dict[str, Any], float]:
    """Run a command of the trainer; returns what it printed with `--json`, and its seconds."""
    command, start = [*_command(setting, *arguments), "--json"], time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=deadline.left_s)
    if done.returncode:
        raise RuntimeError(f"`trainer {arguments[0]}` failed: {done.stderr[-2000:]}")
    printed: dict[str, Any] = json.loads(done.stdout)
    return printed, time.perf_counter() - start


def _kill_in_the_middle(setting: Setting, run: Path, *, epochs: int, deadline: Deadline) -> int:
    """Start a fit, and kill it after half of its epochs; returns the number of the epoch."""
    with open(setting.work / "killed.log", "wb") as log:
        command = _command(setting, "fit", *_fit_arguments(setting, run))
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    try:
        while process.poll() is None and deadline.left_s and _epochs(run) < epochs // 2:
            time.sleep(_POLL_S)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = _epochs(run)
    if done < epochs // 2 or RunFolder(run).bundle.exists():
        raise RuntimeError(f"the fit was not killed in the middle, but after {done} of {epochs} epochs")
    return done + 1


def _epochs(run: Path) -> int:
    """How many epochs of fine-tuning the history has."""
    history = RunFolder(run).history
    lines = history.read_text(encoding="utf-8").splitlines(keepends=True) if history.exists() else []
    events = [json.loads(line) for line in lines if line.endswith("\n")]
    return sum(event["event"] == "epoch" and event["stage"] == "finetune" for event in events)


def _same_weights(one: Path, other: Path) -> bool:
    first, second = (load_file(RunFolder(run).best) for run in (one, other))
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def _row(name: str, printed: dict[str, Any], seconds: float) -> dict[str, str]:
    stages = {stage: f"{stage_s:.1f} s" for stage, stage_s in printed["stages_s"].items()}
    accuracy = percent(printed["validation"]["accuracy"])
    return {"fit": name} | stages | {"process": f"{seconds:.1f} s", "accuracy": accuracy}


def _table(rows: list[dict[str, str]]) -> str:
    stages = {name: name for name in rows[0] if name not in ("fit", "process", "accuracy")}
    return markdown({"fit": "fit"} | stages | {"process": "whole process", "accuracy": "accuracy"}, rows)
