from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import atexit, sys
from trainer.cli.exit import leaving_at_once
atexit.register(print, "taken down")
with leaving_at_once():
    print("at work")
    {end}
"""


def ended(end: str, *, processes: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM.format(end=end)]
    environment = {**os.environ, "WORLD_SIZE": str(processes)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(("end", "code"), [("pass", 0), ("sys.exit()", 0), ("sys.exit(2)", 2), ("1 / 0", 1)])
def test_one_of_several_ends_without_taking_the_interpreter_down(end: str, code: int) -> None:
    """A fit that was done aborted once: `terminate called without an active exception`."""
    together = ended(end, processes=2)
    assert (together.returncode, together.stdout) == (code, "at work\n")
    assert ("ZeroDivisionError" in together.stderr) == (end == "1 / 0")
    alone = ended(end, processes=1)
    assert (alone.returncode, alone.stdout) == (code, "at work\ntaken down\n")


@pytest.mark.parametrize("processes", [1, 2])
def test_the_trainer_ends_so(tmp_path: Path, processes: int) -> None:
    (tmp_path / "sitecustomize.py").write_text("import atexit; atexit.register(print, 'taken down')")
    environment = {**os.environ, "WORLD_SIZE": str(processes), "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-m", "trainer", "--version"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert "version" in done.stdout
    assert ("taken down" in done.stdout) == (processes == 1)
