"""The files for Kubernetes, KServe and training jobs. Each file is checked, and each check is tried with mistakes."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
import yaml

from tests.deploy.cluster import problems
from tests.deploy.kubernetes_mistakes import MISTAKES
from tests.deploy.manifests import Invalid, Object, build, name_of, read
from tests.test_packaging import ROOT
from trainer.cli.commands import main as trainer_commands

DEPLOY = ROOT / "deploy"
FOLDERS = ("kubernetes", "kserve", "training-job")
OPTIONS = ("bundle-on-volume", "bundle-as-image", "http-route", "service-monitor")
FILES = {str(path.relative_to(DEPLOY)): path for name in FOLDERS for path in (DEPLOY / name).rglob("*.yaml")}
PLANTED = [(file, *mistake) for file, mistakes in MISTAKES.items() for mistake in mistakes]


def mistakes_in(folder: Path) -> list[str]:
    """Every mistake in the files of one folder."""
    return [line for objects in applied_together(folder) for line in mistakes_of(objects)]


def applied_together(folder: Path) -> list[Callable[[], list[Object]]]:
    """What a user applies in one go, for every choice that there is."""
    if folder.name == "kubernetes":
        choices = [[], *([f"options/{option}"] for option in OPTIONS)]
        volume = folder / "options" / "bundle-on-volume"
        built = [functools.partial(build, folder, options=choice) for choice in choices]
        return [*built, functools.partial(read_all, volume, "claim.yaml", "fill.yaml")]
    if folder.name == "kserve":
        return [functools.partial(read_all, folder, "inference-service.yaml")]
    return [functools.partial(read_all, folder, "volumes.yaml", name) for name in ("job.yaml", "train-job.yaml")]


def read_all(folder: Path, *names: str) -> list[Object]:
    return [document for name in names for document in read(folder / name)]


def mistakes_of(make: Callable[[], list[Object]]) -> list[str]:
    try:
        return problems(make())
    except Invalid as error:
        return [str(error)]


@pytest.mark.parametrize("name", FOLDERS)
def test_the_files_are_right(name: str) -> None:
    assert mistakes_in(DEPLOY / name) == []


@pytest.mark.parametrize(("file", "right", "wrong", "report"), PLANTED)
def test_a_mistake_is_found(tmp_path: Path, file: str, right: str, wrong: str, report: str) -> None:
    folder = tmp_path / Path(file).parts[0]
    shutil.copytree(DEPLOY / folder.name, folder)
    text = FILES[file].read_text(encoding="utf-8")
    assert right in text
    (tmp_path / file).write_text(text.replace(right, wrong, 1), encoding="utf-8")
    found = mistakes_in(folder)
    assert any(report in line for line in found), found


def test_every_file_is_tried_with_mistakes() -> None:
    assert FILES.keys() == MISTAKES.keys()


@pytest.mark.parametrize("file", FILES)
def test_every_file_says_who_it_is_for_and_that_it_was_not_run(file: str) -> None:
    comment = "".join(line for line in FILES[file].read_text(encoding="utf-8").splitlines(True) if line[0] == "#")
    assert comment.startswith("# For people ")
    assert "not run" in comment.lower() or "not been run" in comment


def test_the_kustomization_has_every_file_and_every_option() -> None:
    folder = DEPLOY / "kubernetes"
    text = (folder / "kustomization.yaml").read_text(encoding="utf-8")
    resources = yaml.safe_load(text)["resources"]
    assert sorted(resources) == sorted(path.name for path in folder.glob("*.yaml") if path.stem != "kustomization")
    chosen = yaml.safe_load(with_options(text, *OPTIONS))
    assert sorted(chosen["components"]) == sorted(f"options/{path.name}" for path in (folder / "options").iterdir())


def with_options(text: str, *options: str) -> str:
    """The kustomization as its first lines say: without the "#" of the options."""
    text = text.replace("# components:", "components:")
    for option in options:
        assert f"#   - options/{option} " in text
        text = text.replace(f"#   - options/{option}", f"  - options/{option}")
    return text


@pytest.mark.parametrize("option", ["", *OPTIONS])
def test_kustomize_makes_the_same(tmp_path: Path, option: str) -> None:
    """What is checked above is put together by these tests."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    folder = tmp_path / "kubernetes"
    shutil.copytree(DEPLOY / "kubernetes", folder)
    if option:
        kustomization = folder / "kustomization.yaml"
        kustomization.write_text(with_options(kustomization.read_text(encoding="utf-8"), option), encoding="utf-8")
    made = subprocess.run(["kubectl", "kustomize", folder], check=True, capture_output=True, text=True).stdout
    expected = build(folder)
    assert sorted(yaml.safe_load_all(made), key=name_of) == sorted(expected, key=name_of)


def test_kserve_without_a_copy_of_the_bundle() -> None:
    """As the file says: with a bundle in the image, storageUris is removed."""
    (service,) = read(DEPLOY / "kserve" / "inference-service.yaml")
    del service["spec"]["predictor"]["storageUris"]
    assert problems([service]) == []


def commands_of_training() -> list[list[str]]:
    job, train_job = (read(DEPLOY / "training-job" / name)[0] for name in ("job.yaml", "train-job.yaml"))
    return [job["spec"]["template"]["spec"]["containers"][0]["command"], train_job["spec"]["trainer"]["command"]]


def test_both_jobs_have_the_same_command() -> None:
    first, second = commands_of_training()
    assert first == second


@pytest.mark.parametrize("exists", [False, True])
def test_a_job_starts_a_run_or_continues_it(tmp_path: Path, exists: bool) -> None:
    """The command runs, with a program in the place of the trainer that prints its arguments."""
    run = tmp_path / "bears"
    if exists:
        run.mkdir()
    module = tmp_path / "fieldguide"
    module.mkdir()
    (module / "__init__.py").touch()
    (module / "__main__.py").write_text("import json, sys\nprint(json.dumps(sys.argv[1:]))\n", encoding="utf-8")
    python, option, code = commands_of_training()[0]
    assert (python, option) == ("python", "-c")
    finished = subprocess.run(
        [sys.executable, "-c", code.replace("/runs/bears", str(run))],
        cwd=tmp_path, check=True, capture_output=True, text=True,
    )  # fmt: skip
    name, *arguments = json.loads(finished.stdout)
    # As main would call it: a command keeps what it first learned of its parent.
    parent = click.Context(trainer_commands, **trainer_commands.context_settings)
    values = trainer_commands.commands[name].make_context(name, arguments, parent=parent).params
    assert (name, values["run"], values["device"]) == ("resume" if exists else "fit", run, "cuda")
    assert exists or values["data"] == Path("/photos")
