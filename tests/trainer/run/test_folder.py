from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

from tests.support.full_disk import no_file_over
from trainer.errors import RunError
from trainer.recipe import DataSource, Recipe
from trainer.run import RunFolder
from trainer.run.folder import name_of_images, require_free

RECIPE = Recipe(data=DataSource(path="/photos"))


def test_a_run_starts_with_its_recipe_and_nothing_else(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "runs" / "first")
    run.create(RECIPE)
    assert run.read_recipe() == RECIPE
    assert [path.name for path in run.path.parent.iterdir()] == ["first"]
    assert [path.name for path in run.path.iterdir()] == ["recipe.toml"]
    run.remove()
    assert list((tmp_path / "runs").iterdir()) == []


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_what_exists_is_left_as_it_is(tmp_path: Path, kind: str) -> None:
    run = tmp_path / "run"
    if kind == "file":
        run.write_text("precious")
    elif kind == "folder":
        run.mkdir()
    else:
        run.symlink_to(tmp_path / "nowhere")
    with pytest.raises(
        FileExistsError, match=r"exists already, and nothing is overwritten; .* `out`.*`resume\('/.*'\)`"
    ):
        RunFolder(run).create(RECIPE)
    assert list(tmp_path.iterdir()) == [run]
    assert not run.is_dir() or not list(run.iterdir())


def test_a_kill_at_any_moment_leaves_a_run_or_none(tmp_path: Path) -> None:
    """A folder without a recipe was left, which neither fit nor resume accepted."""
    run = RunFolder(tmp_path / "run")
    killed = []
    for calls in range(10):
        child = os.fork()
        if not child:
            _create_and_die(run, calls)
        _, status = os.waitpid(child, 0)
        killed.append(os.WIFSIGNALED(status))
        if run.path.exists():
            assert run.read_recipe() == RECIPE
            shutil.rmtree(run.path)
    assert killed[0]
    assert not killed[-1]


def _create_and_die(run: RunFolder, calls: int) -> None:
    """Create a run, and be killed before the next system call after so many."""
    left = calls

    def count(event: str, arguments: object) -> None:
        nonlocal left
        if event in ("open", "os.mkdir", "os.rename", "os.remove", "shutil.rmtree"):
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    try:
        sys.addaudithook(count)
        run.create(RECIPE)
    finally:
        os._exit(0)


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    with no_file_over(100), pytest.raises(OSError, match="File too large"):
        RunFolder(tmp_path / "run").create(RECIPE)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "seed = 3\n", "[data]\npath = ''\n"])
def test_a_recipe_that_names_no_images_is_not_a_run(tmp_path: Path, text: str) -> None:
    """It was read as a recipe with every default, and with the images of the current folder."""
    (tmp_path / "recipe.toml").write_text(text)
    with pytest.raises(RunError, match=r"is not a run: its recipe\.toml names no images"):
        RunFolder(tmp_path).read_recipe()


def test_a_folder_without_a_recipe_is_not_a_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"is not a run: it has no recipe\.toml"):
        RunFolder(tmp_path).read_recipe()


def test_one_process_at_a_time_works_on_a_run(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    run.create(RECIPE)
    with run.locked():
        with pytest.raises(RunError, match="another process is working on"), run.locked():
            pass
        with pytest.raises(RunError, match="another process is working on"), RunFolder(run.path).locked():
            pass
    with run.locked():
        pass


def test_partial_files_of_a_killed_process_are_removed_and_no_others(tmp_path: Path) -> None:
    for name in (".bundle.partial", "bundle", ".hidden", "notes.partial"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "inside").write_text("text")
    (tmp_path / ".report.html.partial").write_text("half")
    RunFolder(tmp_path).remove_partial_files()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".hidden", "bundle", "notes.partial"]


def test_a_run_that_lacks_a_file_names_it_and_how_to_continue(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    run.create(RECIPE)
    run.require(run.recipe)
    with pytest.raises(RunError, match=r"has no checkpoints/best\.safetensors yet; .* `resume\('/.*/run'\)`"):
        run.require(run.recipe, run.best)


def test_a_run_may_not_be_among_the_images(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "photos")
    for inside in ("photos", "photos/a/run", "link/run"):
        with pytest.raises(RunError, match="among the images"):
            RunFolder(tmp_path / inside).require_outside("", str(tmp_path / "photos"))
    RunFolder(tmp_path / "photos-run").require_outside(str(tmp_path / "photos"), "", str(tmp_path / "photos.csv"))


def test_a_path_is_free_if_nothing_is_there_and_no_file_above_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    require_free(tmp_path / "new.csv", tmp_path / "folder" / "new.csv")
    for taken in (tmp_path, tmp_path / "file", tmp_path / "file" / "new.csv"):
        with pytest.raises(FileExistsError, match=r"exists already, and nothing is overwritten; .* `out`"):
            require_free(tmp_path / "new.csv", taken)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("pets", "pets"),
        ("pets/train", "pets"),
        ("pets/data/Images", "pets"),
        ("pets/train.csv", "pets"),
        ("birds.csv", "birds"),
        ("birds.tar.gz", "birds"),
    ],
)
def test_a_run_is_named_after_what_says_something(tmp_path: Path, data: str, name: str) -> None:
    """Bundles of photos in `pets/train` were called train."""
    path = tmp_path / data
    (path.parent if path.suffix else path).mkdir(parents=True, exist_ok=True)
    assert name_of_images(path) == name


def test_if_no_folder_says_anything_the_name_stays() -> None:
    assert name_of_images(Path("/data/train")) == "data"
