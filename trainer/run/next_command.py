"""Command lines that say what to try next after a run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from trainer.catalog import COARSE_COLUMN
from trainer.command_line import command_line
from trainer.diagnosis import Remedy
from trainer.recipe import SIMILAR, DataSource, Recipe
from trainer.run.folder import RunFolder, free_paths, name_of_images


@dataclass(frozen=True, kw_only=True)
class NextCommand:
    """Renders remedies as command lines that can be pasted into a shell.

    Attributes:
        run: The run that was diagnosed; its recipe is used again.
        recipe: Of that run.
        root: Folder that the paths of the run's catalog start from now.
    """

    run: RunFolder
    recipe: Recipe
    root: Path

    def render_all(self, remedies: Sequence[Remedy | None]) -> tuple[str, ...]:
        """Return a command line for each remedy, empty for None. All of them can be run, one after the other."""
        outs = next_runs(self.run.path)
        return tuple("" if remedy is None else self.render(remedy, outs) for remedy in remedies)

    def render(self, remedy: Remedy, outs: Iterator[Path]) -> str:
        """Return `fieldguide ...` for a remedy, with every word quoted that needs it.

        Args:
            remedy: What to try.
            outs: Gives the folder of the next run; see `next_runs`.
        """
        data = self.recipe.data
        if remedy.command == "clean":
            return command_line("clean", str(self.run), *(["--root", str(self.root)] if self._was_moved else []))
        words = [remedy.command.replace("_", "-")]
        # No split is drawn of two sources; the run's table has the images of both.
        words += self._images_of_run() if remedy.regrouped and data.valid else self._same_images(remedy)
        words += ["--recipe", str(self.run.recipe)]
        if remedy.regrouped:
            words += [*([] if data.drawn else ["--split", "random"]), "--group-by", SIMILAR]
        if remedy.command == "fit":
            words += self._name(from_table=remedy.regrouped and bool(data.valid))
            calibration = self._current(self.recipe.abstention.calibration)
            words += ["--calibration", calibration] if calibration else []
        for option, value in self._options(remedy).items():
            words += [f"--{option.replace('_', '-')}", value if isinstance(value, str) else f"{value:g}"]
        if remedy.command == "fit":
            words += ["--out", str(next(outs))]
        return command_line(*words)

    def _options(self, remedy: Remedy) -> dict[str, float | str]:
        """The changes of a remedy as options; epochs are spread over the recipe's `sizes`, if it has some."""
        options, recipe = dict(remedy.changes), self.recipe.finetune
        if "epochs" not in options or not recipe.sizes:
            return options
        epochs = float(options.pop("epochs"))
        if not epochs:
            return {"sizes": "", "epochs": 0, **options}
        parts = [f"{size}:{max(1, round(own * epochs / recipe.epochs))}" for size, own in recipe.sizes.steps]
        return {"sizes": ",".join(parts), **options}

    def _images_of_run(self) -> list[str]:
        columns = ["--path-column", "path", "--label-column", "label"]
        if self.recipe.data.coarse_column:
            columns += ["--coarse-column", COARSE_COLUMN]
        return [str(self.run.catalog), "--root", str(self.root), *columns]

    def _same_images(self, remedy: Remedy) -> list[str]:
        """The images of the run, where they are now; a recipe file never says which images to use."""
        data = self.recipe.data
        path, valid, root = self._current(data.path), self._current(data.valid), self._current(data.root)
        valid_list = "" if remedy.regrouped else self._current(data.valid_list)
        if self._was_moved and path == data.path and not root:  # the images were moved, but not their table
            root = str(self.root)
        options = (("--valid", valid), ("--valid-list", valid_list), ("--root", root))
        return [path, *(word for option, value in options if value for word in (option, value))]

    @property
    def _was_moved(self) -> bool:
        base = self.recipe.data.base
        return bool(base) and Path(base) != self.root

    def _current(self, path: str) -> str:
        """Where a folder or table is now: in the same place relative to the root, if it exists there."""
        if not path or not self._was_moved:
            return path
        current = os.path.normpath(self.root / os.path.relpath(path, self.recipe.data.base))
        return current if Path(current).exists() else path

    def _name(self, *, from_table: bool) -> list[str]:
        """`--name`, unless `fit` would choose the same name: that of the images' folder or table."""
        path = Path(self._current(self.recipe.data.path))
        default = "" if from_table else name_of_images(path)
        return ["--name", self.recipe.name] if self.recipe.name not in ("", default) else []


def next_runs(run: Path) -> Iterator[Path]:
    """Yield those of RUN-2, RUN-3, RUN-4, ... that do not exist."""
    run = run.resolve() if run.name in ("", "..") else run
    return (path for path in free_paths(run) if path != run)


def cleaned_words(run: RunFolder, recipe: Recipe) -> list[str]:
    """The words after `fit` that train on RUN/cleaned.csv as RUN was trained, with the splits of its table.

    Args:
        run: RUN.
        recipe: Its recipe.
    """
    data, default = recipe.data, DataSource()
    words = [str(run.cleaned), "--recipe", str(run.recipe)]
    if data.path_column != default.path_column:
        words += ["--path-column", default.path_column]
    if data.label_column != default.label_column:
        words += ["--label-column", default.label_column]
    if data.coarse_column not in ("", COARSE_COLUMN):
        words += ["--coarse-column", COARSE_COLUMN]
    if data.split not in ("auto", "none"):
        words += ["--split", "auto"]
    if recipe.abstention.calibration:
        words += ["--calibration", recipe.abstention.calibration]
    return [*words, *(["--name", recipe.name] if recipe.name else [])]
