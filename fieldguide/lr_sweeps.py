"""The learning rate finder from Python.

A module called lr_find would take the place of the function in the package.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from fieldguide.environment import call_environment
from fieldguide.inputs import read_inputs
from fieldguide.paths import StrPath, optional_path
from trainer.catalog import Catalog
from trainer.recipe import Recipe, naming_options
from trainer.report.notebook import lr_find_html
from trainer.run import find_lr
from trainer.training.lr_find.result import LRFindResult, Stage


class LRFind:
    """What the learning rate finder found. In a notebook its curves are shown.

    Attributes:
        head: Result for the head stage; None if the recipe has none.
        finetune: Result for fine-tuning; None if the recipe has none.
    """

    def __init__(self, results: Mapping[Stage, LRFindResult]) -> None:
        self._results = results
        self.head = results.get("head")
        self.finetune = results.get("finetune")

    @property
    def suggestion(self) -> float:
        """The learning rate for `fit(..., lr=...)`: that of fine-tuning, if there is one, else that of the head."""
        result = self.finetune or self.head
        assert result is not None  # a recipe that trains nothing is refused
        return result.suggestion

    def __repr__(self) -> str:
        return "\n".join(line for stage, result in self._results.items() for line in result.table(stage))

    def _repr_html_(self) -> str:
        return lr_find_html(self._results, suggestion=self.suggestion)


def lr_find(
    data: StrPath | Catalog,
    *,
    out: StrPath | None = None,
    recipe: Recipe | StrPath | None = None,
    device: str | torch.device = "auto",
    threads: int | None = None,
    cache: StrPath | None = None,
    cache_max: str | int | None = None,
    progress: bool = True,
    **options: Any,
) -> LRFind:
    """Find learning rates for both stages. The same as the command `fieldguide lr-find`.

    Args:
        data: A folder with one folder for each class, a table, an archive, or a catalog from `read_catalog`.
        out: New folder for lr_find.json and its plot; None: they are not written.
        recipe: A recipe, or a TOML file of one; None: every default.
        device: See `fit`.
        threads: See `fit`.
        cache: See `fit`.
        cache_max: See `fit`.
        progress: See `fit`.
        **options: Those of `fit` that matter to the network and the images.

    Raises:
        TrainerError: The images, the recipe or the device cannot be used.
        FileExistsError: A file in `out` exists already.
        TypeError: There is no such option, or it has no effect here.
    """
    inputs = read_inputs(data, recipe, options, trains=False)
    with call_environment(
        device=device, threads=threads, cache=cache, cache_max=cache_max, progress=progress
    ) as environment:
        complete = inputs.complete_recipe(environment.progress.warn)
        with naming_options(inputs.options):
            return LRFind(find_lr(complete, environment, out=optional_path(out), catalog=inputs.catalog))
