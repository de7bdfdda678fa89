"""RUN, the folder of one training. `RunFolder` names every file in it."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from service.inputs import archive_stem, first_few
from trainer.atomic import atomic_write_text
from trainer.catalog import COARSE_COLUMN, Catalog, Columns, ReadOptions, Row, read_catalog, summary_line
from trainer.errors import RunError
from trainer.posix import lock
from trainer.recipe import Recipe, read_recipe, recipe_to_toml
from trainer.run.unreadable import read_unreadable, write_unreadable

if TYPE_CHECKING:  # these import torch, and a run can be read without
    from trainer.data.prepare import Prepared
    from trainer.training.checkpoint import TrainingFiles

# Names of folders and tables that say what is in them, but not of what.
_NAMES_WITHOUT_MEANING = frozenset(
    {"train", "training", "data", "dataset", "images", "image", "imgs", "img", "labels", "metadata"}
)


class RunFolder:
    """The files of a run, as paths; most of them are there only later.

    recipe.toml      everything that was asked for, and every default
    catalog.csv      every image, its label, split and hash
    unreadable.csv   the files that were left out and why; only if there are any
    history.jsonl    what happened: stages, epochs, steps
    features.npy     what the network made of each image of catalog.csv before it was trained; not with random weights
    edits.jsonl      what a person decided about the images in `clean`, one decision a line; later runs get a copy
    cleaned.csv      catalog.csv after these decisions; `fit` trains on it
    suspects.npz     what `clean` found by the features, and check.json by the images; both may be deleted
    lr_find.json     the learning rates that were found, with a plot in lr_find.png; only if the recipe asks for them
    checkpoints/     the weights of the best epoch, and the last state of the training
    predictions.csv  the validation images, worst first
    diagnosis.json   what stands out, and what to try next
    bundle/          what the service serves
    report.html      what was learned, how well, and where it fails
    tensorboard/     the history for TensorBoard, if the recipe asks for it
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.recipe = path / "recipe.toml"
        self.catalog = path / "catalog.csv"
        self.unreadable = path / "unreadable.csv"
        self.history = path / "history.jsonl"
        self.features = path / "features.npy"
        self.edits = path / "edits.jsonl"
        self.cleaned = path / "cleaned.csv"
        self.suspects = path / "suspects.npz"
        self.check = path / "check.json"
        self.lr_find = path / "lr_find.json"
        self.lr_find_plot = path / "lr_find.png"
        self.best = path / "checkpoints" / "best.safetensors"
        self.last = path / "checkpoints" / "last.safetensors"
        self.predictions = path / "predictions.csv"
        self.diagnosis = path / "diagnosis.json"
        self.bundle = path / "bundle"
        self.bundle_draft = path / ".bundle.partial"
        self.report = path / "report.html"
        self.tensorboard = path / "tensorboard"

    def __str__(self) -> str:
        return str(self.path)

    @property
    def training_files(self) -> TrainingFiles:
        """Where the training keeps its state."""
        from trainer.training.checkpoint import TrainingFiles

        return TrainingFiles(best=self.best, last=self.last, lr_find=self.lr_find)

    def create(self, recipe: Recipe) -> None:
        """Make the folder with its recipe.toml, completely or not at all.

        Raises:
            FileExistsError: There is something at this path.
        """
        run = self.path
        self._remove_refused()
        if not os.path.lexists(run):
            partial = RunFolder(run.with_name(f".{run.name}.{os.getpid()}.partial"))
            try:
                partial.path.mkdir(parents=True, exist_ok=True)
                with atomic_write_text(partial.recipe) as file:
                    file.write(recipe_to_toml(recipe))
                partial.path.rename(run)
                return
            except OSError as error:
                if not os.path.lexists(run):  # or another process was faster
                    raise OSError(error.errno, error.strerror, str(run)) from error
            finally:
                shutil.rmtree(partial.path, ignore_errors=True)
        raise FileExistsError(
            f"{run} exists already, and nothing is overwritten; give another name for `out`, or continue that run with "
            f"`resume({str(run)!r})`"
        )

    def _remove_refused(self) -> None:
        """Remove a run whose images were refused: it has nothing but its recipe and the list of what is wrong."""
        if (
            self.path.is_dir()
            and not self.path.is_symlink()
            and {*self.path.iterdir()} == {self.recipe, self.unreadable}
        ):
            with self.locked():
                self.unreadable.unlink()
                self.remove()

    def remove(self) -> None:
        """Remove a run that has nothing but its recipe, so that the same command works again."""
        self.recipe.unlink()
        self.path.rmdir()

    def remove_partial_files(self) -> None:
        """Remove what a killed process was writing."""
        for partial in self.path.glob(".*.partial"):
            shutil.rmtree(partial) if partial.is_dir() else partial.unlink()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out of the run.

        Raises:
            RunError: Another process is working on it.
        """
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            lock(descriptor, wait=False)
        except BlockingIOError as error:
            raise RunError(f"another process is working on {self}; wait for it, or stop it") from error
        else:
            yield
        finally:
            os.close(descriptor)

    def require(self, *files: Path) -> None:
        """Raise RunError if the run does not have these files yet."""
        for file in files:
            if not file.exists():
                name = file.relative_to(self.path)
                raise RunError(f"{self} has no {name} yet; continue the run with `resume({str(self)!r})`")

    def require_outside(self, *folders: str) -> None:
        """Raise RunError if the run would be inside one of these folders, where its images would be read as data."""
        require_outside(self.path, folders, kind="folder")

    def require_unchanged(self, before: Sequence[Row], now: Sequence[Row]) -> None:
        """Raise RunError if an image is another than when the run was started, or can no longer be decoded."""
        hashes = {row.path: row.sha256 for row in now}
        changed = [row.path for row in before if hashes.get(row.path) != row.sha256]
        if changed:
            raise RunError(
                f"{len(changed):,} images have changed since {self} was started ({first_few(changed)}); "
                "restore them, or start a new run"
            )

    def read_recipe(self) -> Recipe:
        """Read what the run was asked for. Raises RunError if the folder is not a run."""
        if not self.recipe.is_file():
            raise RunError(f"{self} is not a run: it has no recipe.toml; name the folder that a fit wrote")
        recipe = read_recipe(self.recipe, {})
        if not recipe.data.path:
            raise RunError(f"{self} is not a run: its recipe.toml names no images (data.path); start a new run")
        return recipe

    def read_catalog(self, recipe: Recipe, root: Path | None, *, must_exist: bool = True) -> Catalog:
        """Read the catalog that the run wrote.

        Args:
            recipe: The run's.
            root: Folder of the images, if they were moved.
            must_exist: Whether the images must be there.
        """
        return read_catalog(
            self.catalog,
            ReadOptions(
                root=root or Path(recipe.data.base),
                columns=Columns(
                    label_delimiter=recipe.data.label_delimiter or None,
                    coarse=COARSE_COLUMN if recipe.data.coarse_column else None,
                ),
                split="none" if recipe.data.split == "none" else "auto",
            ),
            must_exist=must_exist,
        )

    def summary(self, recipe: Recipe, catalog: Catalog) -> str:
        """What the run read, in one line, as it was said when the run was started.

        Args:
            recipe: The run's.
            catalog: As `read_catalog` gives it.
        """
        data = recipe.data
        return summary_line(
            catalog.rows,
            catalog.classes,
            source=data.source or data.path,
            labelled_by=data.labelled_by,
            drawn=data.drawn,
        )

    def write_unreadable(self, recipe: Recipe, unreadable: Mapping[Row, str]) -> None:
        """Write unreadable.csv; replaces it."""
        write_unreadable(self.unreadable, unreadable, label_delimiter=recipe.data.label_delimiter or None)

    def read_unreadable(self, recipe: Recipe) -> dict[Row, str]:
        """Row -> why it was left out; empty if there is none."""
        return read_unreadable(self.unreadable, label_delimiter=recipe.data.label_delimiter or None)

    def write_prepared(self, prepared: Prepared) -> None:
        """Write unreadable.csv, if there is anything to report, and then catalog.csv: with it the run can continue."""
        self.unreadable.unlink(missing_ok=True)  # left by a start that was refused
        if prepared.unreadable:
            write_unreadable(self.unreadable, prepared.unreadable, label_delimiter=prepared.catalog.label_delimiter)
        prepared.catalog.write_csv(self.catalog)


def default_run(images: Path | Catalog) -> Path:
    """Return the first of runs/NAME, runs/NAME-2, runs/NAME-3 ... that does not exist, with the name of the images.

    Args:
        images: Folder or CSV, or a catalog.

    Raises:
        RunError: It would be inside this folder.
    """
    runs = Path("runs")
    path = images.root if isinstance(images, Catalog) else images.resolve()
    searched = images.folder if isinstance(images, Catalog) else path if path.is_dir() else None
    if searched is not None and runs.resolve().is_relative_to(searched):
        shown = images.folder if isinstance(images, Catalog) else images
        raise RunError(f"{runs} would be in {shown}, among the images; give a new folder elsewhere for `out`")
    return first_free(runs / (name_of_images(path) or "images"))


def name_of_images(path: Path) -> str:
    """The name of a folder, or of a table or archive without its suffix.

    If that says nothing, such as `train` or `images`, it is the name of the folder above it.
    """
    path = path.absolute()
    name = path.name if path.is_dir() else archive_stem(path)
    for folder in path.parents:
        if name.casefold() not in _NAMES_WITHOUT_MEANING or not folder.name:
            break
        name = folder.name
    return name


def require_outside(path: Path, folders: Sequence[str], *, kind: str) -> None:
    """Raise RunError if a new file or folder would be inside one of these folders, where it would be read as data."""
    for folder in filter(None, folders):
        if Path(folder).is_dir() and path.resolve().is_relative_to(Path(folder).resolve()):
            raise RunError(f"{path} is in {folder}, among the images; give a {kind} elsewhere for `out`")


def first_free(path: Path, *, suffix: str = "") -> Path:
    """Return PATH, or the first of PATH-2, PATH-3 ... that does not exist; each with the suffix at its end."""
    return next(free_paths(path, suffix=suffix))


def free_paths(path: Path, *, suffix: str = "") -> Iterator[Path]:
    """Yield those of PATH, PATH-2, PATH-3 ... that do not exist; each with the suffix at its end."""
    endings = itertools.chain([""], (f"-{number}" for number in itertools.count(2)))
    paths = (path.with_name(f"{path.name}{ending}{suffix}") for ending in endings)
    return (free for free in paths if not os.path.lexists(free))


def require_free(*paths: Path, name: str = "out") -> None:
    """Raise FileExistsError if there is something at one of these paths, or a file instead of a folder above it."""
    for path in (*paths, *(path.parent for path in paths if not path.parent.is_dir())):
        if path.exists():
            raise FileExistsError(f"{path} exists already, and nothing is overwritten; give another name for `{name}`")
