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
from trainer.run.folder import create, recipe_of

RECIPE = Recipe(data=DataSource(path="/photos"))


def test_a_run_begins_with_its_recipe_and_nothing_beside_it(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "first"
    create(run, RECIPE)
    assert recipe_of(run) == RECIPE
    assert [path.name for path in run.parent.iterdir()] == ["first"]
    assert [path.name for path in run.iterdir()] == ["recipe.toml"]


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_what_stands_there_is_left_as_it_is(tmp_path: Path, kind: str) -> None:
    run = tmp_path / "run"
    if kind == "file":
        run.write_text("precious")
    elif kind == "folder":
        run.mkdir()
    else:
        run.symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileExistsError, match=r"exists already; nothing is overwritten: .* trainer resume"):
        create(run, RECIPE)
    assert list(tmp_path.iterdir()) == [run]
    assert not run.is_dir() or not list(run.iterdir())


def test_a_kill_at_any_moment_leaves_a_run_or_none(tmp_path: Path) -> None:
    """A folder without a recipe was left, which neither fit nor resume took."""
    run = tmp_path / "run"
    killed = []
    for calls in range(10):
        child = os.fork()
        if not child:
            _create_and_die(run, calls)
        _, status = os.waitpid(child, 0)
        killed.append(os.WIFSIGNALED(status))
        if run.exists():
            assert recipe_of(run) == RECIPE
            shutil.rmtree(run)
    assert killed[0]
    assert not killed[-1]


def _create_and_die(run: Path, calls: int) -> None:
    """Killed before the next call of the system after so many."""
    left = calls

    def count(event: str, arguments: object) -> None:
        nonlocal left
        if event in ("open", "os.mkdir", "os.rename", "os.remove", "shutil.rmtree"):
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    try:
        sys.addaudithook(count)
        create(run, RECIPE)
    finally:
        os._exit(0)


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    with no_file_over(100), pytest.raises(OSError, match="File too large"):
        create(tmp_path / "run", RECIPE)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "seed = 3\n", "[data]\npath = ''\n"])
def test_a_recipe_that_names_no_images_is_no_run(tmp_path: Path, text: str) -> None:
    """It read as every default, with the images of the present folder."""
    (tmp_path / "recipe.toml").write_text(text)
    with pytest.raises(RunError, match=r"is no run: its recipe\.toml names no images"):
        recipe_of(tmp_path)
