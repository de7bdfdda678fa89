"""The workflows and the file for Dependabot: valid, safe, pinned. None of them was ever run on a hosted runner."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from check_jsonschema import main as check_jsonschema
from click.testing import CliRunner

from service import __version__
from tests.test_packaging import ROOT

ZIZMOR = Path(sys.executable).with_name("zizmor")
DIGEST = "sha256:" + "5" * 64


def complaints(root: Path) -> Iterator[str]:
    """What schemas, zizmor and the rules of this project have against root/.github."""
    workflows = sorted((root / ".github" / "workflows").glob("*.yml"))
    dependabot = root / ".github" / "dependabot.yml"
    for schema, files in (("github-workflows", workflows), ("dependabot", [dependabot])):
        result = CliRunner().invoke(check_jsonschema, ["--builtin-schema", f"vendor.{schema}", *map(str, files)])
        if result.exit_code:
            yield result.output
    command = [ZIZMOR, "--offline", "--strict-collection", "--no-config", "--quiet", "--color=never", root / ".github"]
    found = subprocess.run(command, check=False, capture_output=True, text=True)
    if found.returncode:
        yield found.stdout + found.stderr
    for file in [*workflows, dependabot]:
        yield from own_rules(file)


def own_rules(file: Path) -> Iterator[str]:
    text = file.read_text(encoding="utf-8")
    if "has never been run on a hosted runner" not in text.splitlines()[0]:
        yield f"{file.name} does not say at its top that it was never run"
    if re.search(r"secrets\.|sha256:[0-9a-f]{64}", text):
        yield f"{file.name} has a secret, or a digest that somebody typed"
    for action in re.findall(r"uses: (.+)", text):
        if not re.fullmatch(r"\./\S+.*|[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action):
            yield f"{file.name}: not pinned to a commit with its version: {action}"
    for path in re.findall(r"(?:deploy|\.ci)/[\w./-]+|\./\.github/[\w./-]+", text):
        if not (ROOT / path).exists():
            yield f"{file.name} names {path}, which does not exist"
    content = yaml.safe_load(text)
    if content.get("permissions", {}) not in ({}, {"contents": "read"}):
        yield f"{file.name}: rights to write are for one job, not for the whole workflow"
    for name, job in content.get("jobs", {}).items():
        if "uses" not in job and "timeout-minutes" not in job:
            yield f"{file.name}: the job {name} has no time limit"


def test_the_files_are_valid_safe_and_pinned() -> None:
    assert {file.name for file in (ROOT / ".github" / "workflows").iterdir()} == {
        "audit.yml", "ci.yml", "container.yml", "release.yml",
    }  # fmt: skip
    assert not list(complaints(ROOT))


@pytest.mark.parametrize(
    ("name", "text", "mistake", "complaint"),
    [
        ("workflows/audit.yml", "timeout-minutes: 20", "timeout_minutes: 20", "timeout_minutes"),
        ("workflows/audit.yml", "    timeout-minutes: 20\n", "", "no time limit"),
        ("workflows/audit.yml", "python deploy/audit.py", "python deploy/audits.py", "deploy/audits.py"),
        ("workflows/audit.yml", "      - name: Look", "     - name: Look", "audit.yml"),  # does not parse
        ("workflows/ci.yml", "checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1", "checkout@v7", "unpinned"),
        ("workflows/ci.yml", "contents: read", "contents: write", "not for the whole workflow"),
        ("workflows/ci.yml", "          persist-credentials: false", "          fetch-depth: 0", "artipacked"),
        ("workflows/audit.yml", "    permissions:\n      contents: read", "    permissions: write-all", "excessive"),
        ("workflows/container.yml", "${GITHUB_REF_NAME#v}", "${{ github.ref_name }}", "template-injection"),
        ("workflows/container.yml", "${{ github.token }}", "${{ secrets.TOKEN }}", "has a secret"),
        ("workflows/container.yml", "$base@$digest", f"$base@{DIGEST}", "a digest that somebody typed"),
        ("workflows/release.yml", "# This workflow has never", "# This workflow has often", "was never run"),
        ("workflows/release.yml", "    runs-on", "    runs_on", "runs_on"),
        ("dependabot.yml", "interval: weekly", "interval: now and then", "now and then"),
        ("dependabot.yml", "    cooldown:\n      default-days: 7\n", "", "dependabot-cooldown"),
    ],
)  # fmt: skip
def test_a_mistake_is_found(tmp_path: Path, name: str, text: str, mistake: str, complaint: str) -> None:
    shutil.copytree(ROOT / ".github", tmp_path / ".github", ignore=shutil.ignore_patterns("images"))
    file = tmp_path / ".github" / name
    original = file.read_text(encoding="utf-8")
    assert text in original
    file.write_text(original.replace(text, mistake), encoding="utf-8")
    try:
        found = "\n".join(complaints(tmp_path))
    except yaml.YAMLError as error:
        found = f"{name}: {error}"
    assert complaint in found


def jobs(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text(encoding="utf-8"))["jobs"]
    return found


def test_only_what_publishes_may_write() -> None:
    writing = {
        f"{file}: {name}": sorted(scope for scope, right in job["permissions"].items() if right == "write")
        for file in ("audit.yml", "container.yml", "release.yml")
        for name, job in jobs(file).items()
    }
    images = ["attestations", "id-token", "packages"]
    assert {job: scopes for job, scopes in writing.items() if scopes} == {
        "container.yml: build": images,
        "container.yml: publish": images,
        "release.yml: images": images,
        "release.yml: publish": ["attestations", "id-token"],
    }


def test_nothing_is_published_before_the_tests_and_the_tag_are_good() -> None:
    release = jobs("release.yml")
    assert release["test"]["uses"] == "./.github/workflows/ci.yml"
    assert [release[job]["needs"] for job in ("build", "images", "publish")] == ["test", "build", "images"]


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., tuple[int, str, str]]:
    """Runs the script of a step as a runner does, in a clone, with a docker that only repeats what it is asked."""
    docker = tmp_path / "docker"
    docker.write_text(
        f'#!/bin/sh\necho "docker $*" >>{tmp_path}/calls\n'
        f'case "$*" in *format*) echo "${{FAKE_DIGEST-{DIGEST}}}";; esac\n'
    )
    docker.chmod(0o755)

    def run(workflow: str, job: str, name: str, folder: Path = ROOT, **variables: str) -> tuple[int, str, str]:
        (step,) = [step for step in jobs(workflow)[job]["steps"] if step.get("name") == name]
        (tmp_path / "output").touch()
        (tmp_path / "calls").touch()
        files = {"GITHUB_OUTPUT": f"{tmp_path}/output", "PATH": f"{tmp_path}:{os.environ['PATH']}"}
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        done = subprocess.run(command, check=False, capture_output=True, cwd=folder, env=files | variables)
        return done.returncode, (tmp_path / "output").read_text(), (tmp_path / "calls").read_text()

    return run


def test_the_tag_of_a_release_is_the_version_of_the_code(run: Callable[..., tuple[int, str, str]]) -> None:
    step = ("release.yml", "build", "The tag is the version of the code")
    assert run(*step, GITHUB_REF_NAME=f"v{__version__}")[0] == 0
    assert run(*step, GITHUB_REF_NAME="v99.0.0")[0] != 0


def test_the_base_image_is_pinned_by_a_digest_that_is_looked_up(run: Callable[..., tuple[int, str, str]]) -> None:
    step = ("container.yml", "plan", "Look up the digest of the base image")
    code, output, calls = run(*step, GITHUB_REPOSITORY="Example/Fieldguide")
    assert code == 0
    assert output == f"python=python:3.13-slim@{DIGEST}\nimage=ghcr.io/example/fieldguide\n"
    assert calls.startswith("docker buildx imagetools inspect python:3.13-slim --format")


def test_without_a_digest_no_image_is_built(run: Callable[..., tuple[int, str, str]]) -> None:
    step = ("container.yml", "plan", "Look up the digest of the base image")
    code, output, _ = run(*step, GITHUB_REPOSITORY="example/fieldguide", FAKE_DIGEST="")
    assert code != 0
    assert not output


def test_the_images_of_both_architectures_get_one_tag(tmp_path: Path, run: Callable[..., tuple[int, str, str]]) -> None:
    step = ("container.yml", "publish", "Join the images of both architectures under the tag")
    variables = {"IMAGE": "ghcr.io/example/fieldguide", "GITHUB_REF_NAME": "v1.2.3"}
    (tmp_path / "digests").mkdir()
    (tmp_path / "digests" / "aa").touch()
    assert run(*step, folder=tmp_path, **variables)[0] != 0  # one is missing
    (tmp_path / "digests" / "bb").touch()
    code, output, calls = run(*step, folder=tmp_path, **variables)
    assert code == 0
    assert output == f"digest={DIGEST}\n"
    image = variables["IMAGE"]
    assert f"imagetools create --tag {image}:1.2.3 {image}@sha256:aa {image}@sha256:bb\n" in calls
