"""Runs to compare, made without training: what `fit` leaves in RUN, with a bundle that classifies colours."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.bundles import write_tiny_bundle
from tests.support.photos import draw
from trainer.catalog import Row, write_table
from trainer.recipe import DataSource, Recipe, recipe_to_toml

RIGHT = ("red", "green", "blue")  # of a bundle: each colour has its own name
SWAPPED = ("red", "blue", "green")  # green is called blue, and blue green


def write_colours(folder: Path, *, each: int = 12, first: int = 0) -> Path:
    """One folder a colour, `each` images in it."""
    for colour in RIGHT:
        (folder / colour).mkdir(parents=True)
        for number in range(first, first + each):
            draw(colour, number).save(folder / colour / f"{number:03}.png")
    return folder


def rows_of(folder: Path, *, valid: int = 6, labels: Mapping[str, str] | None = None) -> list[Row]:
    """The images of such a folder: the first `valid` of each colour are for validation.

    labels  path -> another label; several with ; between; `-` leaves the image out
    """
    rows = []
    for path in sorted(folder.glob("*/*.png")):
        name = path.relative_to(folder).as_posix()
        label = (labels or {}).get(name, path.parent.name)
        if label != "-":
            rows.append(
                Row(
                    path=name,
                    labels=frozenset(filter(None, label.split(";"))),
                    split="valid" if int(path.stem) < valid else "train",
                    sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
                )
            )
    return rows


def write_run(
    run: Path, base: Path, rows: Sequence[Row], *, classes: Sequence[str] = RIGHT, delimiter: str = ""
) -> Path:
    """A finished run: recipe.toml, catalog.csv and bundle/."""
    run.mkdir()
    split = "auto" if any(row.split == "valid" for row in rows) else "none"
    data = DataSource(path=str(base), base=str(base), label_delimiter=delimiter, split=split)
    (run / "recipe.toml").write_text(recipe_to_toml(Recipe(data=data)))
    write_table(run / "catalog.csv", rows, label_delimiter=delimiter or None)
    task = "multilabel" if delimiter else "classification"
    write_tiny_bundle(run / "bundle", name=run.name, classes=classes, task=task)
    return run
