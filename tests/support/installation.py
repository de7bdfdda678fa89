"""A folder as `fieldguide deploy systemd` writes it, and a machine that is none, on which install.sh installs it.

The folder DESTDIR takes the place of /. Stand-ins take the places of systemctl, of caddy, and of Python where it would
make an environment, install packages or ask the service. The service is "ready" unless its bundle has a file `broken`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.test_packaging import ROOT

SYSTEMD = ROOT / "deploy" / "systemd"
_STANDS_IN = {
    "systemctl": """#!/bin/sh
echo "systemctl $*" >> "$CALLS"
case "$1" in is-failed) test -e "$DESTDIR/opt/bears/current/bundle/broken";; esac
""",
    "caddy": """#!/bin/sh
echo "caddy $*" >> "$CALLS"
""",
    "python-of-test": f"""#!/bin/sh
case "$*" in
    *base_prefix*) echo "${{PREFIX:-/usr}}" ;;
    *readyz*) ! test -e "$DESTDIR/opt/bears/current/bundle/broken" ;;
    "-m venv "*) mkdir -p "$3/bin"; cp "$0" "$3/bin/python" ;;
    "-m pip "*) echo "pip $*" >> "$CALLS" ;;
    *) exec {sys.executable} "$@" ;;
esac
""",
}


class Machine:
    """`install` runs a script, by default ours, in the folder; `site` is the folder, `root` what it installs into."""

    def __init__(self, folder: Path, script: str | None = None) -> None:
        self.site, self.root = folder / "site", folder / "root"
        self._calls, self._programs = folder / "calls", folder / "programs"
        shutil.copytree(SYSTEMD, self.site)
        if script is not None:
            (self.site / "install.sh").write_text(script)
        for name in ("service", "bundle"):
            (self.site / name).mkdir()
        (self.site / "service" / "__init__.py").write_text("")
        (self.site / "bundle" / "manifest.json").write_text("{}")
        (self.site / "deploy" / "locks").mkdir(parents=True)
        (self.site / "deploy" / "locks" / "service.txt").write_text("")
        self._programs.mkdir()
        for name, text in _STANDS_IN.items():
            (self._programs / name).write_text(text)
            (self._programs / name).chmod(0o755)

    @property
    def calls(self) -> list[str]:
        """What was asked of the stand-ins."""
        return self._calls.read_text().splitlines() if self._calls.exists() else []

    @property
    def home(self) -> Path:
        return self.root / "opt" / "bears"

    def install(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        variables = {
            "PATH": f"{self._programs}:/usr/bin:/bin",
            "DESTDIR": str(self.root),
            "PYTHON": "python-of-test",
            "CALLS": str(self._calls),
            **environ,
        }
        command = ["bash", str(self.site / "install.sh"), *arguments]
        return subprocess.run(command, env=variables, capture_output=True, text=True, check=False, timeout=60)

    def link(self, name: str) -> str:
        """Return where a link of the folder leads; empty if there is none."""
        path = self.home / name
        return str(path.readlink()) if path.is_symlink() else ""

    def without_systemctl(self) -> None:
        """Take every program away that the script does not need before it looks for systemctl."""
        shutil.rmtree(self._programs)
        self._programs.mkdir()
        for needed in ("bash", "dirname", "id"):
            path = shutil.which(needed)
            assert path is not None
            (self._programs / needed).symlink_to(path)
