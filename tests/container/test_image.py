"""What the image is made of. `make container-test` builds and tries it; these look only at its files."""

from __future__ import annotations

import re
import subprocess

import pytest
from packaging.requirements import Requirement

from tests.test_packaging import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
LOCK = (ROOT / "deploy" / "locks" / "service.txt").read_text(encoding="utf-8")
INSTRUCTIONS = re.findall(r"^([A-Z]+) ((?:.*\\\n)*.*)$", DOCKERFILE, re.MULTILINE)


def last(instruction: str) -> str:
    return [text for name, text in INSTRUCTIONS if name == instruction][-1]


def locked() -> dict[str, str]:
    """Name -> version."""
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", LOCK, re.MULTILINE))


def test_the_lock_has_every_dependency_of_the_service_in_a_version_that_it_accepts() -> None:
    project = re.search(r"^dependencies = \[(.*?)^\]", (ROOT / "pyproject.toml").read_text(), re.DOTALL | re.MULTILINE)
    assert project
    requirements = [Requirement(text) for text in re.findall(r'"(.+?)"', project[1])]
    assert len(requirements) >= 10
    for requirement in requirements:
        assert locked()[requirement.name] in requirement.specifier, requirement


def test_every_locked_package_has_hashes_and_none_an_address() -> None:
    packages = re.split(r"^(?=[a-z0-9-]+==)", LOCK, flags=re.MULTILINE)[1:]
    assert len(packages) >= len(locked())  # one may have several versions, for different Pythons
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", package) for package in packages)
    assert "://" not in LOCK


@pytest.mark.parametrize("name", ["torch", "torchvision", "onnx", "timm", "fieldguide", "matplotlib"])
def test_nothing_of_a_training_is_locked(name: str) -> None:
    assert name not in locked()


def test_packages_are_installed_as_wheels_with_hashes() -> None:
    (install,) = [text for name, text in INSTRUCTIONS if name == "RUN" and "pip install" in text]
    for option in ("--only-binary :all:", "--require-hashes", "--no-cache-dir"):
        assert option in install


def test_the_container_starts_the_service_as_a_user_without_rights() -> None:
    assert last("USER") == "65532:65532"
    assert last("ENTRYPOINT") == '["python", "-m", "service"]'
    assert last("CMD") == '["serve"]'
    assert "FIELDGUIDE_HOST=::" in last("ENV")
    assert "/livez" in last("HEALTHCHECK")
    assert "latest" not in DOCKERFILE
    assert not re.search(r"^(ADD|MAINTAINER|SHELL)|curl|apt-get", DOCKERFILE, re.MULTILINE)


def test_the_last_stage_is_the_service_without_a_bundle() -> None:
    stages = re.findall(r"^FROM (\S+) AS (\S+)$", DOCKERFILE, re.MULTILINE)
    assert [name for _, name in stages] == ["packages", "slim", "baked", "service"]
    assert stages[-1][0] == "slim"


def test_only_what_the_image_needs_is_sent_to_the_builder() -> None:
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert rules == ["*", "!service", "!deploy/locks", "!bundle", "**/__pycache__"]
    for path in re.findall(r"^COPY (?!--from)(\S+)", DOCKERFILE, re.MULTILINE):
        assert any(path.startswith(rule[1:]) for rule in rules if rule[0] == "!"), path


@pytest.mark.parametrize("name", ["run.sh", "base.sh"])
def test_the_scripts_that_try_the_image_are_valid(name: str) -> None:
    script = ROOT / "tests" / "container" / name
    subprocess.run(["bash", "-n", script], check=True)
    assert script.stat().st_mode & 0o111 or name != "run.sh"
