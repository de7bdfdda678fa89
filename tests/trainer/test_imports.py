"""The rooms of the trainer know each other one way."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TRAINER = Path(__file__).resolve().parents[2] / "trainer"

# Each may import what stands before it.
ROOMS = {
    "trainer": (
        *("errors", "atomic", "catalog", "pixels", "model", "fitting", "export", "insight"),
        *("sample", "run", "cli", "__main__"),
    ),
    "trainer.insight": (
        *("confusion", "duplicates", "embeddings", "learning", "predictions", "sweep_plot"),
        *("diagnosis", "report"),
    ),
    "trainer.run": ("environment", "folder", "inputs", "rates", "evaluation", "export", "report", "training"),
    "trainer.cli": ("answers", "console", "errors", "keys", "leaving", "options", "verbs"),
    "trainer.training": (
        *("progress", "data", "subset", "prepare", "hardware", "recipe", "measuring", "records", "stages"),
        *("rate_search", "first_stage", "fitted", "keeper", "patience", "saver", "fit"),
    ),
}


@pytest.mark.parametrize("package", ROOMS)
def test_the_rooms_know_each_other_one_way(package: str) -> None:
    folder = TRAINER.joinpath(*package.split(".")[1:])
    rooms = ROOMS[package]
    assert {path.stem for path in folder.iterdir() if path.name not in ("__pycache__", "py.typed", "__init__.py")} == {
        *rooms
    }
    pattern = re.compile(rf"^ *from {re.escape(package)}(?:\.(\w+))?[\w.]* import (\w+)", re.MULTILINE)
    for path in folder.rglob("*.py"):
        here = path.relative_to(folder).parts[0].removesuffix(".py")
        if here == "__init__":
            continue
        for there in {room or name for room, name in pattern.findall(path.read_text())} - {here}:
            assert rooms.index(there) < rooms.index(here), f"{path} imports {there}"
