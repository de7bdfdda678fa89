"""Virtual environments that a benchmark makes for itself, each with the requirements that it names."""

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
        """A command that a package of it installed."""
        return self.folder / "bin" / name

    def versions(self) -> dict[str, str]:
        """Its packages, names as on the package index, in lower case."""
        command = [str(self.python), "-m", "pip", "list", "--format=json"]
        listing = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        return {package["name"].lower(): package["version"] for package in listing}

    def installed_bytes(self) -> int:
        """All its files together, pip among them; what is only linked to is not counted."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file() and not path.is_symlink())


def make_environment(folder: Path, requirements: Sequence[str]) -> Environment:
    """Make one with the running Python's version, or take the one that stands there with the same requirements.

    A requirement is what pip takes: `fastai~=2.8`, or the path of a checkout (`f"{ROOT}[service]"`). Checkouts are
    installed anew each time, without what they depend on, since their code may have changed. What an interrupted call
    left is completed.

    Raises ValueError where the folder holds something else, CalledProcessError where pip cannot install.
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
