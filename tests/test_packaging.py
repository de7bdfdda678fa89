"""What a user installs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from fieldguide.deployment.targets import TARGETS
from service import __version__
from service.bundle import read_bundle
from tests.support.bundles import write_tiny_bundle
from trainer.installation import TRAINER_MODULES

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The distribution, built as `pip install .` builds it."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT]
    subprocess.run(command, check=True)
    return zipfile.ZipFile(next(folder.glob("fieldguide-*.whl")))


def test_the_wheel_holds_every_file_of_the_packages(wheel: zipfile.ZipFile) -> None:
    inside = set(wheel.namelist())
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "fieldguide", "service", "trainer"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout.split()  # fmt: skip
    assert {
        "fieldguide/py.typed",
        "service/py.typed",
        "service/web/routes/page/index.html",
        "trainer/py.typed",
        "trainer/export/card.md.jinja",
        "trainer/export/import_card.md.jinja",
    } <= set(listed)
    assert set(listed) <= inside
    assert not any(name.startswith(("tests/", "deploy/")) for name in inside)


def test_the_wheel_holds_what_a_deployment_copies(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    """Tried with the packages of the wheel alone, not those of the clone."""
    wheel.extractall(tmp_path / "installed")
    folder = "fieldguide/deployment/files/deploy"
    for target in TARGETS:
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard", f"deploy/{target}"],
            cwd=ROOT, check=True, capture_output=True, text=True,
        ).stdout.split()  # fmt: skip
        inside = {name for name in wheel.namelist() if name.startswith(f"{folder}/{target}/")}
        assert inside == {f"fieldguide/deployment/files/{name}" for name in listed}
        assert inside
    bundle = write_tiny_bundle(tmp_path / "colours")
    environ = {**os.environ, "PYTHONPATH": str(tmp_path / "installed")}
    command = [sys.executable, "-m", "fieldguide", "deploy", "space", bundle, "--out", "site"]
    subprocess.run(command, cwd=tmp_path, env=environ, check=True)
    assert (tmp_path / "site" / "Dockerfile").exists()
    assert read_bundle(tmp_path / "site" / "bundle").manifest.name == "colours"


def metadata(wheel: zipfile.ZipFile, name: str) -> str:
    path = next(path for path in wheel.namelist() if path.endswith(f".dist-info/{name}"))
    return wheel.read(path).decode()


def requirements(wheel: zipfile.ZipFile, extra: str | None) -> set[str]:
    """The names of the packages that are always asked for, or by an extra."""
    lines = [line for line in metadata(wheel, "METADATA").splitlines() if line.startswith("Requires-Dist: ")]
    chosen = [line for line in lines if (f"extra == '{extra}'" if extra else "extra ==") in line]
    if extra is None:
        chosen = [line for line in lines if line not in chosen]
    return {re.split(r"[^a-zA-Z0-9-]", line.removeprefix("Requires-Dist: "))[0] for line in chosen}


def test_the_base_asks_for_nothing_heavy(wheel: zipfile.ZipFile) -> None:
    assert requirements(wheel, None) == {
        "click", "httptools", "numpy", "onnxruntime", "pillow", "prometheus-client", "python-multipart",
        "starlette", "uvicorn", "uvloop",
    }  # fmt: skip


def test_training_checks_for_every_package_of_its_extra(wheel: zipfile.ZipFile) -> None:
    modules = {"scikit-learn": "sklearn"}
    asked = {modules.get(name, name.replace("-", "_")) for name in requirements(wheel, "trainer")}
    assert asked == {*TRAINER_MODULES}


def test_the_version_is_that_of_the_code(wheel: zipfile.ZipFile) -> None:
    assert f"\nVersion: {__version__}\n" in metadata(wheel, "METADATA")


def test_the_wheel_installs_the_command(wheel: zipfile.ZipFile) -> None:
    assert "fieldguide = fieldguide.cli:main" in metadata(wheel, "entry_points.txt")
