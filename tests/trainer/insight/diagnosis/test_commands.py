from __future__ import annotations

import shlex
from pathlib import Path

from trainer.fitting import Recipe
from trainer.fitting.recipe.recipe import DataSource
from trainer.insight.diagnosis.commands import Commands


def test_a_command_takes_the_same_images_and_quotes_what_needs_it() -> None:
    data = DataSource(
        path="my photos/all.csv", valid="other.csv", root="my photos", base="/my photos", group_column="coarse"
    )
    commands = Commands(run=Path("runs/first one"), recipe=Recipe(data=data), out=Path("runs/first one-2"))
    assert shlex.split(commands.fit("--lr", "0.1")) == [
        "python", "-m", "trainer", "fit", "my photos/all.csv", "--valid", "other.csv", "--root", "my photos",
        "--recipe", "runs/first one/recipe.toml", "--lr", "0.1", "--out", "runs/first one-2",
    ]  # fmt: skip
    assert "'my photos/all.csv'" in commands.lr_find()
    assert shlex.split(commands.fit_table(Path("regrouped.csv")))[4:13] == [
        "regrouped.csv", "--root", "/my photos", "--path-column", "path", "--label-column", "label",
        "--group-column", "group",
    ]  # fmt: skip
