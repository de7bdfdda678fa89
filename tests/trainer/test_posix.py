from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from trainer.posix import flags, lock

IMPORT = """
import os, signal, sys
for name in ("uvloop", "resource", "fcntl"):
    sys.modules[name] = None
for name in ("O_NONBLOCK", "O_CLOEXEC", "O_NOFOLLOW", "O_DIRECTORY"):
    delattr(os, name)
import importlib, pkgutil
import fieldguide, trainer
for package in (trainer, fieldguide):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
print(len(sys.modules))
"""


def test_every_module_can_be_imported_without_what_windows_lacks() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_flags_that_this_system_lacks_are_left_out() -> None:
    assert flags("O_RDWR", "O_CREAT", "O_OF_NO_SYSTEM") == os.O_RDWR | os.O_CREAT


@pytest.mark.parametrize(("first", "second", "held"), [(False, False, True), (False, True, True), (True, True, False)])
def test_a_lock_keeps_others_out(tmp_path: Path, first: bool, second: bool, held: bool) -> None:
    with (tmp_path / "a").open("w") as one, (tmp_path / "a").open("w") as other:
        lock(one, shared=first)
        if held:
            with pytest.raises(BlockingIOError):
                lock(other.fileno(), shared=second, wait=False)
            one.close()
        lock(other.fileno(), shared=second, wait=False)
