"""`fieldguide deploy`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fieldguide.cli import cli
from fieldguide.deployment.targets import TARGETS
from service.bundle import read_bundle
from tests.deploy.checks import DEPLOY
from tests.support.bundles import write_tiny_bundle
from tests.support.full_disk import no_file_over

GIVEN = ["--name", "fruit", "--image", "ghcr.io/me/fruit:2", "--host", "fruit.example.com", "--memory", "768"]


def deploy(target: str, bundle: Path, out: Path, *options: str) -> Result:
    return CliRunner().invoke(cli, ["deploy", target, str(bundle), "--out", str(out), *options], prog_name="fieldguide")


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("target", TARGETS)
def test_it_writes_the_files_of_the_target_filled_in(target: str, bundle_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "site"
    result = deploy(target, bundle_path, out, *GIVEN)
    assert (result.exit_code, result.stderr) == (0, "")
    own = {name.replace("bears", "fruit") for name in files(DEPLOY / target)}
    assert own
    assert own <= set(files(out))
    for name in own:
        text = (out / name).read_text("utf-8")
        assert not re.search(r"bears|example\.org|1024(Mi|m|M|mb)\b|1073741824", text), name
    assert {path.name for path in out.iterdir()} >= {"Dockerfile", ".dockerignore", "service", "deploy", "bundle"}
    assert "bears" not in result.stdout


@pytest.mark.parametrize("target", TARGETS)
def test_every_value_of_a_target_is_an_example_in_its_files(target: str) -> None:
    """Otherwise a value that the user gives would be asked for in vain."""
    texts = "".join(data.decode() for data in files(DEPLOY / target).values())
    assert "bears" in texts
    assert TARGETS[target].needs_image <= ("registry.example.org/bears:1" in texts)
    assert TARGETS[target].needs_host <= ("bears.example.org" in texts)


def test_the_image_is_built_with_the_bundle_by_default(bundle_path: Path, tmp_path: Path) -> None:
    deploy("space", bundle_path, tmp_path / "site")
    dockerfile = (tmp_path / "site" / "Dockerfile").read_text("utf-8")
    assert dockerfile.endswith("\nARG BUNDLE=bundle\nCOPY ${BUNDLE} /bundle\n")
    for source in re.findall(r"^COPY (?!--from)(\S+)", dockerfile, re.MULTILINE):
        assert (tmp_path / "site" / source.replace("${BUNDLE}", "bundle")).exists()


def test_what_it_writes_serves_without_the_installation(bundle_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "site"
    deploy("space", bundle_path, out)
    assert read_bundle(out / "bundle").digest == read_bundle(bundle_path).digest
    code = "import service, sys; from service.cli import cli; print(service.__file__); cli(['verify', 'bundle'])"
    environ = {**os.environ, "PYTHONPATH": str(out)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=out, env=environ, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(str(out))


def test_a_zip_and_a_folder_with_leftovers_give_the_same_bundle(bundle_path: Path, tmp_path: Path) -> None:
    packed = write_tiny_bundle(tmp_path / "colours.zip")
    mounted = write_tiny_bundle(tmp_path / "colours")
    (mounted / ".DS_Store").write_bytes(b"x")
    for name, bundle in {"a": packed, "b": mounted}.items():
        assert deploy("fly", bundle, tmp_path / name).exit_code == 0
    assert files(tmp_path / "a" / "bundle") == files(tmp_path / "b" / "bundle")


def test_name_and_image_are_those_of_the_model(tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "b", name="Grocery Store", version="1.2+x")
    result = deploy("compose", bundle, tmp_path / "site")
    assert result.exit_code == 0, result.stderr
    assert "image: grocery-store:1.2-x" in (tmp_path / "site" / "compose.yaml").read_text("utf-8")


def test_it_prints_what_to_type_next(bundle_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "my site"
    printed = deploy("fly", bundle_path, out, "--name", "fruit").stdout
    assert f"fly deploy '{out}' --ha=false" in printed
    assert "https://fruit.fly.dev" in printed


@pytest.mark.parametrize(
    ("target", "options", "message"),
    [
        ("heroku", [], "Invalid value for 'TARGET': 'heroku' is not one of"),
        (
            "kubernetes",
            [],
            "kubernetes gets the image from a registry: give --image, such as registry.example.org/bears:1.",
        ),
        ("kubernetes", ["--image", "a/b:1"], "kubernetes needs the public name of the host: give --host, such as"),
        (
            "fly",
            ["--name", "My Bears"],
            "A name has at most 50 small letters, digits and hyphens, and starts with a letter, not",
        ),
        ("fly", ["--memory", "100"], "The memory must be at least 256 MiB, not 100."),
        ("cloud-run", ["--image", "Bears:1"], "An image is called like registry.example.org/bears:1, not 'Bears:1'."),
        ("systemd", ["--host", "https://a.org"], "A host is called like bears.example.org, not 'https://a.org'."),
    ],
)
def test_wrong_use_is_one_line_and_writes_nothing(
    target: str, options: list[str], message: str, bundle_path: Path, tmp_path: Path
) -> None:
    result = deploy(target, bundle_path, tmp_path / "site", *options)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {message}")
    assert result.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_model_without_a_usable_name_needs_one(tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "b", name="熊")
    result = deploy("fly", bundle, tmp_path / "site")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: The name of the model, '熊', cannot name a service: give --name.")


def test_nothing_is_overwritten(bundle_path: Path, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    result = deploy("fly", bundle_path, tmp_path / "site")
    assert result.exit_code == 2
    assert "site exists already, and nothing is overwritten; give another name for --out" in result.stderr
    assert not list((tmp_path / "site").iterdir())


def test_a_damaged_bundle_is_refused(tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "b")
    (bundle / "card.md").write_text("changed")
    result = deploy("fly", bundle, tmp_path / "site")
    assert result.exit_code == 3
    assert result.stderr.startswith("error: card.md was altered")
    assert not (tmp_path / "site").exists()


def test_a_full_disk_leaves_nothing(bundle_path: Path, tmp_path: Path) -> None:
    with no_file_over(1000):
        result = deploy("fly", bundle_path, tmp_path / "site")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_out_may_be_in_a_new_folder(bundle_path: Path, tmp_path: Path) -> None:
    assert deploy("fly", bundle_path, tmp_path / "a" / "b").exit_code == 0
    assert (tmp_path / "a" / "b" / "fly.toml").exists()
