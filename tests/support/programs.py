"""Programs that tests need, of Debian or of the development packages, and changed copies of the files they check."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from pathlib import Path

import pytest


def program(name: str) -> str:
    """Return the path of a program, or skip the test."""
    folders = (str(Path(sys.executable).parent), os.defpath, "/usr/sbin", "/usr/local/bin")
    path = shutil.which(name) or shutil.which(name, path=os.pathsep.join(folders))
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def replaced(text: str, *pairs: tuple[str, str]) -> str:
    """Replace texts that must be there, so that a change of the file cannot make a test empty."""
    for old, new in pairs:
        assert old in text, f"{old!r} is not in the file"
        text = text.replace(old, new)
    return text


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
