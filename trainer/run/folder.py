"""RUN, the folder of one fit: everything that was asked, what happened, and what came of it.

recipe.toml       everything that was asked and every default
catalog.csv       every image, its label, side and hash
unreadable.csv    the files that were left out, what they were to show, and why; where there are any
history.jsonl     a line a stage, an epoch and a step
lr_find.json      the learning rates that were found, with a plot in lr_find.png; where they were asked for
checkpoints/      the best weights, and the last state of the training
predictions.csv   the validation images, worst first
diagnosis.json    what stands out, and what to try next
regrouped.csv     the images on another split, where near duplicates stood on both sides of this one
bundle/           what the service serves
report.html       what it learned, how well, and where it fails
tensorboard/      the history for TensorBoard, where it was asked for
"""

from __future__ import annotations

import csv
import fcntl
import os
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from trainer.atomic import atomic_write_text
from trainer.catalog import COARSE_COLUMN, Catalog, Row, first_few, read_catalog
from trainer.catalog.row import SPLIT_NAMES
from trainer.data import Prepared
from trainer.errors import RunError
from trainer.recipe import Recipe
from trainer.recipe_reading import read_recipe


def require_parts(run: Path, *parts: str | Path) -> None:
    """Raise RunError where the run has not come so far."""
    for part in parts:
        if not (run / part).exists():
            raise RunError(f"{run} has no {part} yet; go on with it: {_resume(run)}")


def require_room(folder: Path, *names: str) -> None:
    """Raise FileExistsError where one of the files, or a file in place of the folder, is there already."""
    for place in (*(folder / name for name in names), *([] if folder.is_dir() else [folder])):
        if place.exists():
            raise FileExistsError(f"{place} exists already; nothing is overwritten: give --out another name")


def require_outside(run: Path, recipe: Recipe) -> None:
    """Keep a run's own images, the golden ones, out of the folders that the next fit reads."""
    place = run.resolve()
    for folder in filter(None, (recipe.data.path, recipe.data.valid)):
        if Path(folder).is_dir() and place.is_relative_to(Path(folder).resolve()):
            raise RunError(f"{run} lies in {folder}, among the images; give --out a folder elsewhere")


def require_unchanged(run: Path, then: Sequence[Row], now: Sequence[Row]) -> None:
    """Raise RunError where an image is another than when the run was begun, or can no longer be decoded."""
    found = {row.path: row.sha256 for row in now}
    changed = [row.path for row in then if found.get(row.path) != row.sha256]
    if changed:
        raise RunError(
            f"{len(changed):,} images have changed since {run} was begun ({first_few(changed)}); "
            "put them back as they were, or fit anew"
        )


def write_prepared(run: Path, prepared: Prepared) -> None:
    """Write unreadable.csv, where there is anything to tell, and then catalog.csv: with it the run can be resumed."""
    if prepared.unreadable:
        with atomic_write_text(run / "unreadable.csv") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("path", "label", "split", "reason"))
            delimiter = prepared.catalog.label_delimiter or ""
            for row, reason in prepared.unreadable.items():
                writer.writerow((row.path, delimiter.join(sorted(row.labels)), row.split, reason))
    prepared.catalog.write_csv(run / "catalog.csv")


def read_unreadable(run: Path, recipe: Recipe) -> dict[Row, str]:
    """Row -> why it was left out; empty where nothing was."""
    path, delimiter = run / "unreadable.csv", recipe.data.label_delimiter
    if not path.exists():
        return {}
    with open(path, encoding="utf-8", newline="") as file:
        return {_unreadable_row(cells, delimiter): cells["reason"] for cells in csv.DictReader(file)}


def _unreadable_row(cells: Mapping[str, str], delimiter: str) -> Row:
    label, split = cells.get("label", ""), cells.get("split", "train")  # older runs tell the path alone
    labels = label.split(delimiter) if delimiter else [label]
    return Row(path=cells["path"], labels=frozenset(filter(None, labels)), split=SPLIT_NAMES[split])


def recipe_of(run: Path) -> Recipe:
    """What the run was asked; raises RunError where the folder is no run."""
    if not (run / "recipe.toml").is_file():
        raise RunError(f"{run} is no run: there is no recipe.toml in it; name a folder that `trainer fit` wrote")
    recipe = read_recipe(run / "recipe.toml", {})
    if not recipe.data.path:
        raise RunError(f"{run} is no run: its recipe.toml names no images (data.path); fit anew with another --out")
    return recipe


def own_catalog(run: Path, recipe: Recipe, root: Path | None, *, must_exist: bool = True) -> Catalog:
    """The catalog that the run wrote; its images are where they were, or under `root`, and must be `present` or not."""
    return read_catalog(
        run / "catalog.csv",
        root=root or Path(recipe.data.base),
        label_delimiter=recipe.data.label_delimiter or None,
        coarse_column=COARSE_COLUMN if recipe.data.coarse_column else None,
        must_exist=must_exist,
    )


def create(run: Path, recipe: Recipe) -> None:
    """Make the folder with its recipe.toml, at once or not at all; raises FileExistsError where it is there already."""
    if not os.path.lexists(run):
        partial = run.with_name(f".{run.name}.{os.getpid()}.partial")
        try:
            partial.mkdir(parents=True, exist_ok=True)
            with atomic_write_text(partial / "recipe.toml") as file:
                file.write(recipe.to_toml())
            partial.rename(run)
            return
        except OSError as error:
            if not os.path.lexists(run):  # or another process was faster
                raise OSError(error.errno, error.strerror, str(run)) from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    raise FileExistsError(
        f"{run} exists already; nothing is overwritten: give --out another name, or go on with it: {_resume(run)}"
    )


def _resume(run: Path) -> str:
    return shlex.join(["python", "-m", "trainer", "resume", str(run)])


@contextmanager
def held(run: Path) -> Iterator[None]:
    """Keep other processes off a run."""
    descriptor = os.open(run, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise RunError(f"another process is at work on {run}; wait for it, or stop it") from error
    else:
        yield
    finally:
        os.close(descriptor)
