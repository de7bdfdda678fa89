"""Runs that are killed at some moment, and what is compared afterwards."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path

# The number of threads changes the order of sums: processes whose weights are compared run on one, as the tests do.
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}


def outcome(run: Path) -> tuple[bytes, list[dict[str, object]]]:
    """The best weights, and the history without its clock."""
    events = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    for event in events:
        event.pop("seconds", None)
        event.pop("images_per_second", None)
    return (run / "checkpoints" / "best.safetensors").read_bytes(), events


def kill_after(seconds: float, arguments: list[str]) -> bool:
    """Start a process, and kill it after some time; returns whether it was still running."""
    with subprocess.Popen(arguments, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=ONE_THREAD) as process:
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
    return process.returncode == -signal.SIGKILL


def kill_once_exists(path: Path, arguments: list[str], *, delay_s: float) -> None:
    """Start a process, and kill it some time after it has written a file."""
    with subprocess.Popen(arguments, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=ONE_THREAD) as process:
        while process.poll() is None and not path.exists():
            time.sleep(0.005)
        time.sleep(delay_s)
        os.kill(process.pid, signal.SIGKILL)


def tree(folder: Path) -> dict[str, tuple[str, int]]:
    """Every file of a folder with its hash and time of change."""
    return {
        str(path.relative_to(folder)): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
