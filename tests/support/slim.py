"""A Python in which only what the service needs is installed."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from trainer.installation import TRAINER_MODULES

ROOT = Path(__file__).resolve().parents[2]


def run_slim(
    folder: Path, *arguments: str | Path, without: tuple[str, ...] = TRAINER_MODULES
) -> subprocess.CompletedProcess[str]:
    """Run Python with these arguments in `folder`.

    Args:
        folder: Working directory; the packages are linked into `.site` in it.
        arguments: Of Python.
        without: Modules that are not installed.
    """
    site = folder / ".site"
    if not site.exists():
        site.mkdir()
        for path in Path(sysconfig.get_path("purelib")).iterdir():
            if path.name.partition(".")[0] not in without and path.suffix != ".pth":
                (site / path.name).symlink_to(path)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(ROOT)])}
    command = [sys.executable, "-S", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)
