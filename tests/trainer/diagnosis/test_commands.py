from __future__ import annotations

import shlex
from pathlib import Path

from trainer.diagnosis.commands import Commands
from trainer.recipe import DataSource, Recipe


def test_a_command_takes_the_same_images_and_quotes_what_needs_it() -> None:
    data = DataSource(
        path="my photos/all.csv", valid="other.csv", root="my photos", base="/my photos", coarse_column="coarse"
    )
    commands = Commands(
        run=Path("runs/first one"), recipe=Recipe(data=data), root=Path("/my photos"), out=Path("runs/first one-2")
    )
    assert shlex.split(commands.fit("--lr", "0.1")) == [
        "python", "-m", "trainer", "fit", "my photos/all.csv", "--valid", "other.csv", "--root", "my photos",
        "--recipe", "runs/first one/recipe.toml", "--lr", "0.1", "--out", "runs/first one-2",
    ]  # fmt: skip
    assert "'my photos/all.csv'" in commands.lr_find()
    assert shlex.split(commands.fit_table(Path("regrouped.csv")))[4:13] == [
        "regrouped.csv", "--root", "/my photos", "--path-column", "path", "--label-column", "label",
        "--coarse-column", "group",
    ]  # fmt: skip


def commands_for(recipe: Recipe, *, root: Path) -> Commands:
    return Commands(run=Path("run"), recipe=recipe, root=root, out=Path("run-2"))


def test_a_name_that_was_given_is_given_again(tmp_path: Path) -> None:
    """`fit` takes no name from a recipe file, whose data may be other."""
    photos = tmp_path / "photos.2026"
    photos.mkdir()
    data = DataSource(path=str(photos), base=str(photos))
    given = commands_for(Recipe(data=data, name="my bears"), root=photos)
    assert " --name 'my bears' " in given.fit()
    assert "--name" not in commands_for(Recipe(data=data, name="photos.2026"), root=photos).fit()
    table = commands_for(Recipe(data=data, name="photos.2026"), root=photos).fit_table(Path("run/regrouped.csv"))
    assert " --name photos.2026 " in table  # else it would be that of the table


def test_after_the_images_were_moved_they_are_named_where_they_are(tmp_path: Path) -> None:
    """`resume --root` says where they are; the recipe has where they were."""
    now = tmp_path / "now"
    (now / "photos").mkdir(parents=True)
    (now / "others").mkdir()
    folders = DataSource(path="/then/photos", valid="/then/others", base="/then/photos")
    moved = commands_for(Recipe(data=folders), root=now / "photos")
    assert shlex.split(moved.fit())[4:7] == [str(now / "photos"), "--valid", str(now / "others")]
    assert f" {now / 'photos'} " in moved.lr_find()
    assert f" --root {now / 'photos'} " in moved.fit_table(Path("regrouped.csv"))

    (now / "all.csv").touch()
    beside = DataSource(path="/then/all.csv", base="/then")
    assert shlex.split(commands_for(Recipe(data=beside), root=now).fit())[4:6] == [str(now / "all.csv"), "--recipe"]
    apart = DataSource(path="/tables/some.csv", root="/then", base="/then")
    assert shlex.split(commands_for(Recipe(data=apart), root=now).fit())[4:7] == [
        "/tables/some.csv", "--root", str(now),
    ]  # fmt: skip
    left = DataSource(path="/then/some.csv", base="/then")  # the images were moved, the table was not
    assert shlex.split(commands_for(Recipe(data=left), root=now).fit())[4:7] == ["/then/some.csv", "--root", str(now)]
