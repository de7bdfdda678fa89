"""`python -m trainer fit` as a process of its own, with a watch held beside it."""

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

_LOOK_S = 0.02


@dataclass(frozen=True, kw_only=True)
class FitProcess:
    """What one fit did.

    seconds      from the start of the process to its end
    cpu_seconds  of all its threads
    epochs       the epoch lines of history.jsonl, each with `at_s`: seconds from the start of the process until the
                 line was there
    summary      what `--json` printed
    best         the rows of predictions.csv, sorted by path: those of the epoch that was best on these very images
    last         such rows of the last epoch's weights, which nobody chose
    """

    seconds: float
    cpu_seconds: float
    epochs: list[dict[str, Any]]
    summary: dict[str, Any]
    best: list[Row]
    last: list[Row]


def verdicts(predictions: Sequence[Row]) -> dict[str, str]:
    """`correct`, and `group_correct` where there are groups: `1` or `0` an image."""
    given = {"correct": "".join(row["correct"] for row in predictions)}
    if predictions and "coarse" in predictions[0]:
        right = (row["coarse"] == row["predicted_coarse"] for row in predictions)
        given["group_correct"] = "".join("01"[hit] for hit in right)
    return given


def run_fit(arguments: Sequence[str | Path], *, work: Path, cache: Path, device: str, code: str) -> FitProcess:
    """Fit in a folder under `work` that is gone afterwards; `--out` and `--json` are added to the arguments.

    cache, device  those of the trainer
    code           the digest of the source that the figures are for

    Raises RuntimeError with what the process said where it failed, or where the source changed meanwhile.
    """
    require_code(code)
    work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=work, prefix="fit-") as folder:
        run, said = Path(folder, "run"), Path(folder, "stderr")
        command = [sys.executable, "-m", "trainer", "fit", *map(str, arguments), "--cache", str(cache)]
        command += ["--device", device, "--out", str(run), "--json"]
        used, start = _children_cpu_seconds(), time.perf_counter()
        with open(said, "wb") as errors, open(Path(folder, "stdout"), "wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=errors)
            try:
                epochs = _watch(process, run / "history.jsonl", start)
            except BaseException:
                process.kill()
                process.wait()
                raise
        seconds, cpu_seconds = time.perf_counter() - start, _children_cpu_seconds() - used
        if process.returncode:
            raise RuntimeError(f"{' '.join(command)} failed:\n{said.read_text(errors='replace')[-3000:]}")
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
    """Read the history while it grows, to the end of the process; its epochs and when each was there."""
    epochs, rest, offset, ended = [], b"", 0, False
    while not ended:
        ended = process.poll() is not None  # looked at first, so that the last lines are read
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
            time.sleep(_LOOK_S)
    return epochs


def _by_path(rows: Sequence[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: row["path"])


def _children_cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
