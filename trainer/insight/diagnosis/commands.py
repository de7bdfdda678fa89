"""The command lines that a finding tells to try next."""

from __future__ import annotations

import itertools
import shlex
from dataclasses import dataclass
from pathlib import Path

from trainer.fitting import Recipe
from trainer.fitting.recipe.sizes import parse_sizes


@dataclass(frozen=True, kw_only=True)
class Commands:
    """How to fit again, otherwise as before.

    run     the run that was diagnosed: its recipe is taken again
    recipe  of that run
    out     where the next run goes
    """

    run: Path
    recipe: Recipe
    out: Path

    def fit(self, *options: str) -> str:
        """`trainer fit` of the same images with these options on top."""
        return _line("fit", *self._images, "--recipe", str(self._asked), *options, "--out", str(self.out))

    def fit_table(self, table: Path) -> str:
        """`trainer fit` of a catalog that was written for this run."""
        data = self.recipe.data
        columns = ["--path-column", "path", "--label-column", "label"]
        if data.group_column:
            columns += ["--group-column", "group"]
        return _line(
            "fit", str(table), "--root", data.base, *columns,
            "--recipe", str(self._asked), "--out", str(self.out),
        )  # fmt: skip

    def epochs(self, count: int) -> str:
        """`trainer fit` with about so many epochs of the whole network; where there are sizes, each has its share."""
        stage = self.recipe.whole
        if not stage.sizes:
            return self.fit("--epochs", str(count))
        runs = [(size, len(list(run))) for size, run in itertools.groupby(parse_sizes(stage.sizes))]
        shares = [f"{size}:{max(1, round(length * count / stage.epochs))}" for size, length in runs]
        return self.fit("--sizes", ",".join(shares))

    def lr_find(self) -> str:
        """`trainer lr-find` on the same images."""
        return _line("lr-find", *self._images, "--recipe", str(self._asked))

    @property
    def _asked(self) -> Path:
        return self.run / "recipe.toml"

    @property
    def _images(self) -> tuple[str, ...]:
        """Which images: never from a recipe file."""
        data = self.recipe.data
        given = (("--valid", data.valid), ("--root", data.root))
        return (data.path, *(word for option, value in given if value for word in (option, value)))


def _line(*words: str) -> str:
    return shlex.join(["python", "-m", "trainer", *words])
