"""What a user installs."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The distribution, built as `pip install .` builds it."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT]
    subprocess.run(command, check=True)
    return zipfile.ZipFile(next(folder.glob("fieldguide-*.whl")))


def test_the_wheel_holds_every_file_of_both_packages(wheel: zipfile.ZipFile) -> None:
    inside = set(wheel.namelist())
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "service", "trainer"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout.split()  # fmt: skip
    assert {
        "service/py.typed",
        "service/web/routes/page/index.html",
        "trainer/py.typed",
        "trainer/export/card.md.jinja",
    } <= set(listed)
    assert set(listed) <= inside
    assert not any(name.startswith(("tests/", "deploy/")) for name in inside)


def test_the_service_extra_asks_for_nothing_heavy(wheel: zipfile.ZipFile) -> None:
    metadata = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    lines = wheel.read(metadata).decode().splitlines()
    asked = {
        re.split(r"[^a-zA-Z0-9-]", line.removeprefix("Requires-Dist: "))[0]
        for line in lines
        if line.startswith("Requires-Dist: ") and "extra == 'service'" in line
    }
    assert asked == {
        "click", "httptools", "numpy", "onnxruntime", "pillow", "prometheus-client", "python-multipart",
        "starlette", "uvicorn", "uvloop",
    }  # fmt: skip
    assert not [line for line in lines if line.startswith("Requires-Dist: ") and "extra ==" not in line]
