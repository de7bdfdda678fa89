"""`python -m trainer fit` as a process of its own, with the time of every epoch."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.training.last_epoch import predict_last
from tests.benchmarks.training.sources import require_code
from tests.benchmarks.training.tables import Row, read_rows
from trainer.training.device import choose_device

_POLL_S = 0.02


@dataclass(frozen=True, kw_only=True)
class FitProcess:
    """The result of one fit.

    Attributes:
        seconds: From the start of the process to its end.
        cpu_seconds: Of all its threads.
        epochs: The epoch lines of history.jsonl, each with `at_s`: seconds from the start of the process until the line
            was written.
        summary: What `--json` printed.
        best: The rows of predictions.csv, sorted by path: those of the epoch that was best on these very images.
        last: Such rows of the last epoch's weights, which nobody chose.
    """

    seconds: float
    cpu_seconds: float
    epochs: list[dict[str, Any]]
    summary: dict[str, Any]
    best: list[Row]
    last: list[Row]


def hits(predictions: Sequence[Row]) -> dict[str, str]:
    """Return `correct`, and `coarse_correct` if there are coarse labels: `1` or `0` for each image."""
    found = {"correct": "".join(row["correct"] for row in predictions)}
    if predictions and "coarse" in predictions[0]:
        found["coarse_correct"] = "".join("01"[row["coarse"] == row["predicted_coarse"]] for row in predictions)
    return found


def run_fit(arguments: Sequence[str | Path], *, work: Path, cache: Path, device: str, code: str) -> FitProcess:
    """Run a fit in a folder under `work` that is removed afterwards.

    Args:
        arguments: Of `python -m trainer fit`; `--cache`, `--device`, `--out` and `--json` are added.
        work: Folder for temporary files.
        cache: Of the trainer.
        device: Of the trainer.
        code: Digest of the source code that is measured.

    Raises:
        RuntimeError: The process failed (with the end of its output), or the source code changed meanwhile.
    """
    require_code(code)
    work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=work, prefix="fit-") as folder:
        run, stderr = Path(folder, "run"), Path(folder, "stderr")
        command = [sys.executable, "-m", "trainer", "fit", *map(str, arguments), "--cache", str(cache)]
        command += ["--device", device, "--out", str(run), "--json"]
        cpu_before, start = _children_cpu_seconds(), time.perf_counter()
        with open(stderr, "wb") as errors, open(Path(folder, "stdout"), "wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=errors)
            try:
                epochs = _watch(process, run / "history.jsonl", start)
            except BaseException:
                process.kill()
                process.wait()
                raise
        seconds, cpu_seconds = time.perf_counter() - start, _children_cpu_seconds() - cpu_before
        if process.returncode:
            raise RuntimeError(f"{' '.join(command)} failed:\n{stderr.read_text(errors='replace')[-3000:]}")
        require_code(code)
        return FitProcess(
            seconds=seconds,
            cpu_seconds=cpu_seconds,
            epochs=epochs,
            summary=json.loads(Path(folder, "stdout").read_text()),
            best=_by_path(read_rows(run / "predictions.csv")),
            last=_by_path(predict_last(run, cache=cache, device=choose_device(device))),
        )


def _watch(process: subprocess.Popen[bytes], history: Path, start: float) -> list[dict[str, Any]]:
    """Read the history while it grows, until the process ends; returns its epochs and when each was written."""
    epochs, rest, offset, ended = [], b"", 0, False
    while not ended:
        ended = process.poll() is not None  # asked first, so that the last lines are read
        now = time.perf_counter() - start
        if history.exists():
            with open(history, "rb") as file:
                file.seek(offset)
                new = file.read()
            offset += len(new)
            *lines, rest = (rest + new).split(b"\n")
            records = [json.loads(line) for line in lines]
            epochs += [{**record, "at_s": now} for record in records if record["event"] == "epoch"]
        if not ended:
            time.sleep(_POLL_S)
    return epochs


def _by_path(rows: Sequence[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: row["path"])


def _children_cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
