"""Command lines that tell what to try next."""

from __future__ import annotations

import itertools
import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from trainer.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Commands:
    """How to fit again, otherwise as before.

    run     the run that was diagnosed: its recipe is taken again
    recipe  of that run
    root    folder that the paths of the run's catalog start from now
    out     where the next run goes
    """

    run: Path
    recipe: Recipe
    root: Path
    out: Path

    def fit(self, *options: str) -> str:
        """`trainer fit` of the same images with these options on top."""
        name = ("--name", self.recipe.name) if self._named else ()
        return command_line("fit", *self._images, "--recipe", str(self._asked), *name, *options, "--out", str(self.out))

    def fit_table(self, table: Path) -> str:
        """`trainer fit` of a catalog that was written for this run."""
        columns = ["--path-column", "path", "--label-column", "label"]
        if self.recipe.data.coarse_column:
            columns += ["--coarse-column", "group"]
        name = ("--name", self.recipe.name) if self.recipe.name else ()
        return command_line(
            "fit", str(table), "--root", str(self.root), *columns,
            "--recipe", str(self._asked), *name, "--out", str(self.out),
        )  # fmt: skip

    def epochs(self, count: int) -> str:
        """`trainer fit` with about so many epochs of the whole network; where there are sizes, each has its share."""
        stage = self.recipe.finetune
        if not stage.sizes:
            return self.fit("--epochs", str(count))
        if not count:
            return self.fit("--sizes", "", "--epochs", "0")
        runs = [(size, len(list(run))) for size, run in itertools.groupby(stage.sizes.by_epoch())]
        shares = [f"{size}:{max(1, round(length * count / stage.epochs))}" for size, length in runs]
        return self.fit("--sizes", ",".join(shares))

    def lr_find(self) -> str:
        """`trainer lr-find` on the same images."""
        return command_line("lr-find", *self._images, "--recipe", str(self._asked))

    @property
    def _asked(self) -> Path:
        return self.run / "recipe.toml"

    @property
    def _images(self) -> tuple[str, ...]:
        """Which images, never from a recipe file; those of a run that was taken up elsewhere are where they are now."""
        data = self.recipe.data
        path, valid, root = self._now(data.path), self._now(data.valid), self._now(data.root)
        if self._moved and path == data.path and not root:  # a table whose images alone were moved
            root = str(self.root)
        given = (("--valid", valid), ("--root", root))
        return (path, *(word for option, value in given if value for word in (option, value)))

    @property
    def _moved(self) -> bool:
        base = self.recipe.data.base
        return bool(base) and Path(base) != self.root

    def _now(self, path: str) -> str:
        """Where a folder or table is now: as far from the root as it was, if there is such a one."""
        if not path or not self._moved:
            return path
        now = os.path.normpath(self.root / os.path.relpath(path, self.recipe.data.base))
        return now if Path(now).exists() else path

    @property
    def _named(self) -> bool:
        """Whether the bundle's name was given, and not taken from the data."""
        data = Path(self._now(self.recipe.data.path))
        return self.recipe.name not in ("", data.name if data.is_dir() else data.stem)


def command_line(verb: str, *words: str) -> str:
    """`python -m trainer VERB` with these words, quoted for a shell where they need it."""
    return shlex.join(["python", "-m", "trainer", verb, *words])
