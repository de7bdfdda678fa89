"""Virtual environments that a benchmark makes for itself."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_STAMP = "requirements.txt"


@dataclass(frozen=True, kw_only=True)
class Environment:
    """A virtual environment on disk."""

    folder: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.program("python")

    def program(self, name: str) -> Path:
        """A command that one of its packages installed."""
        return self.folder / "bin" / name

    def versions(self) -> dict[str, str]:
        """Version of each of its packages; names as on the package index, in lower case."""
        command = [str(self.python), "-m", "pip", "list", "--format=json"]
        listing = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        return {package["name"].lower(): package["version"] for package in listing}

    def installed_bytes(self) -> int:
        """Size of all its files, pip included; targets of links are not counted."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file() and not path.is_symlink())


def make_environment(folder: Path, requirements: Sequence[str]) -> Environment:
    """Make one with the running Python's version, or use the one in this folder if its requirements are the same.

    A requirement is anything that pip accepts: `fastai~=2.8`, or the path of a checkout (`f"{ROOT}[service]"`).
    Checkouts are installed again each time, without their dependencies, since their code may have changed. An
    environment that an interrupted call left is completed.

    Raises ValueError if the folder holds something else, CalledProcessError if pip cannot install.
    """
    environment = Environment(folder=folder.absolute())
    stamp, wanted = environment.folder / _STAMP, "".join(f"{requirement}\n" for requirement in requirements)
    if stamp.is_file():
        if stamp.read_text() != wanted:
            raise ValueError(f"{folder} was made with other requirements; remove it or name another folder")
        checkouts = [requirement for requirement in requirements if Path(requirement.partition("[")[0]).is_dir()]
        if checkouts:
            _pip_install(environment, "--force-reinstall", "--no-deps", *checkouts)
        return environment
    if folder.exists() and any(folder.iterdir()) and not (folder / "pyvenv.cfg").is_file():
        raise ValueError(f"{folder} is no virtual environment; name an empty or a new folder")
    subprocess.run([sys.executable, "-m", "venv", environment.folder], check=True)
    _pip_install(environment, *requirements)
    stamp.write_text(wanted)
    return environment


def _pip_install(environment: Environment, *arguments: str) -> None:
    subprocess.run([environment.python, "-m", "pip", "install", "-qq", *arguments], check=True)
