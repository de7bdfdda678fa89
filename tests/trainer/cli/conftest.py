from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from click.testing import Result

from tests.support.trainer import trainer

FAST = ("--backbone", "tiny", "--epochs", "2", "--batch-size", "8", "--lr", "0.02", "--device", "cpu")


def fit(data: Path, run: Path, *more: str | Path) -> Result:
    return trainer("fit", data, "--out", run, "--cache", run.parent / "cache", *FAST, *more)


def failure(result: Result) -> str:
    """The one line of an error."""
    lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, result.stderr
    assert "Traceback" not in result.stderr
    return lines[0]


def tree(folder: Path) -> dict[str, tuple[str, int]]:
    """Every file of a folder with its hash and time of change."""
    return {
        str(path.relative_to(folder)): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path / "run"
