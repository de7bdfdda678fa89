"""What the images are made of. `make container-test` builds and tries them; these look only at their files."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_packaging import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
INSTRUCTION = re.compile(r"^([A-Z]+) ((?:.*\\\n)*.*)$", re.MULTILINE)
# Name of a stage -> its instructions, from `FROM`.
STAGES = {
    text.split()[3]: INSTRUCTION.findall(text) for text in re.split(r"^(?=FROM )", DOCKERFILE, flags=re.MULTILINE)[1:]
}


def last(instruction: str, stage: str) -> str:
    return [text for name, text in STAGES[stage] if name == instruction][-1]


def test_the_last_stage_is_the_service_without_a_bundle() -> None:
    stages = re.findall(r"^FROM (\S+) AS (\S+)$", DOCKERFILE, re.MULTILINE)
    assert [name for _, name in stages] == ["packages", "slim", "baked", "trainer", "service"]
    assert stages[-1][0] == "slim"


def test_nothing_that_is_only_for_training_comes_before_the_bundle() -> None:
    # `fieldguide deploy` cuts the file there: what it writes has no trainer.
    instructions = [text for stage in ("packages", "slim", "baked") for _, text in STAGES[stage]]
    assert instructions[-1] == "${BUNDLE} /bundle"
    assert not any("trainer" in text for text in instructions)


@pytest.mark.parametrize("stage", ["packages", "trainer"])
def test_packages_are_installed_as_wheels_with_hashes(stage: str) -> None:
    (install,) = [text for name, text in STAGES[stage] if name == "RUN" and "pip install" in text]
    for option in ("--only-binary :all:", "--require-hashes", "--no-cache-dir"):
        assert option in install


def test_the_container_starts_the_service_as_a_user_without_rights() -> None:
    assert last("USER", "slim") == "65532:65532"
    assert last("ENTRYPOINT", "slim") == '["python", "-m", "service"]'
    assert last("CMD", "slim") == '["serve"]'
    assert "FIELDGUIDE_HOST=::" in last("ENV", "slim")
    assert "/livez" in last("HEALTHCHECK", "slim")


def test_the_container_for_training_runs_the_command_as_a_user_without_rights() -> None:
    assert last("USER", "trainer") == "65532:65532"
    assert last("ENTRYPOINT", "trainer") == '["python", "-m", "fieldguide"]'
    assert last("STOPSIGNAL", "trainer") == "SIGINT"
    variables = dict(word.split("=") for word in last("ENV", "trainer").replace("\\\n", " ").split())
    assert variables["NVIDIA_VISIBLE_DEVICES"] == "all"
    assert variables["NVIDIA_DRIVER_CAPABILITIES"] == "compute,utility"
    assert variables["HOME"] == "/tmp"  # everybody may write there
    assert variables["FIELDGUIDE_CACHE"] == "/runs/.cache"
    assert any("install -d -o 65532 -g 0 -m 775 /runs" in text for _, text in STAGES["trainer"])


def hadolint(text: str) -> str:
    """What hadolint has against a Dockerfile; empty if nothing."""
    command = [Path(sys.executable).with_name("hadolint"), "--no-color", "-"]
    return subprocess.run(command, check=False, capture_output=True, input=text, text=True).stdout


def test_hadolint_has_no_complaint() -> None:
    assert not hadolint(DOCKERFILE)


@pytest.mark.parametrize(
    ("text", "mistake", "complaint"),
    [
        ("FROM ${PYTHON_IMAGE} AS trainer", "FROM python AS trainer", "DL3006"),
        ("--no-cache-dir ", "", "DL3042"),
        ("USER 65532:65532", "USER root", "DL3002"),
        ('["python", "-m", "fieldguide"]', "python -m fieldguide", "DL3025"),
        ("STOPSIGNAL", "STOPSIGNALS", "missing whitespace"),
    ],
)
def test_hadolint_finds_a_mistake(text: str, mistake: str, complaint: str) -> None:
    assert text in DOCKERFILE
    assert complaint in hadolint(DOCKERFILE.replace(text, mistake))


def test_nothing_is_taken_from_an_unknown_place() -> None:
    assert "latest" not in DOCKERFILE
    assert "org.opencontainers.image.source" not in DOCKERFILE  # the workflow knows the address
    assert not re.search(r"^(ADD|MAINTAINER|SHELL)|curl|apt-get", DOCKERFILE, re.MULTILINE)


def test_only_what_the_images_need_is_sent_to_the_builder() -> None:
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert rules == ["*", "!service", "!trainer", "!fieldguide", "!deploy/locks", "!bundle", "**/__pycache__"]
    copied = re.findall(r"^COPY (?!--from)(\S+)", DOCKERFILE.replace("${BUNDLE}", "bundle"), re.MULTILINE)
    for path in copied:
        assert any(path.startswith(rule[1:]) for rule in rules if rule[0] == "!"), path


@pytest.mark.parametrize("name", ["run.sh", "base.sh", "trainer.sh"])
def test_the_scripts_that_try_the_images_are_valid(name: str) -> None:
    script = ROOT / "tests" / "container" / name
    subprocess.run(["bash", "-n", script], check=True)


def test_the_script_that_tries_the_images_can_be_started() -> None:
    assert (ROOT / "tests" / "container" / "run.sh").stat().st_mode & 0o111
