"""Training from Python: `fit`, `resume`, `open_run`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from fieldguide.environment import call_environment
from fieldguide.inputs import read_inputs
from fieldguide.paths import StrPath, optional_path
from fieldguide.run import Run
from trainer.catalog import Catalog
from trainer.recipe import Recipe, naming_options
from trainer.run import RunFolder, choose_run, fit_run, follow_run, resume_run


def fit(
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
) -> Run:
    """Train on images, and export a bundle. The same as the command `fieldguide fit`.

    A script that calls it may be started by torchrun: its processes then train together.

    Args:
        data: A folder with one folder for each class, a table, an archive, or a catalog from `read_catalog`.
        out: New folder for everything that comes out; None: runs/NAME, runs/NAME-2 ..., with the name of the images.
        recipe: A recipe, or a TOML file of one; None: every default.
        device: auto (a GPU if there is one), cpu, cuda, cuda:1 or mps.
        threads: Number of threads that decode images; None: one for each core.
        cache: Folder of decoded images; None: FIELDGUIDE_CACHE, else ~/.cache/fieldguide.
        cache_max: Largest size of that folder, such as "20GB" or a number of bytes; None: FIELDGUIDE_CACHE_MAX, else a
            fifth of the free disk. Images that do not fit are decoded whenever they are needed.
        progress: Whether to show progress; if not, only warnings are shown.
        **options: Those of the command, with `_` for `-`: epochs=5, lr=1e-3, lr=(1e-5, 1e-3), lr="auto",
            sizes="128:3,224:2", freeze="early:2", patience=3 ... They override the recipe.

    Raises:
        TrainerError: The images, the recipe or the device cannot be used, or training failed. The message says what
            to do.
        FileExistsError: `out` exists already.
        TypeError: There is no such option.
    """
    inputs = read_inputs(data, recipe, options)
    with call_environment(
        device=device, threads=threads, cache=cache, cache_max=cache_max, progress=progress
    ) as environment:
        run = choose_run(optional_path(out), inputs.images, environment)
        if not environment.distributed.is_main:
            follow_run(run, environment, root=None)
            return Run(run)
        complete = inputs.complete_recipe(environment.progress.warn)
        try:
            with naming_options(inputs.options):
                fit_run(complete, run, environment, catalog=inputs.catalog)
        except KeyboardInterrupt:
            if run.exists():
                environment.progress.info(f"interrupted; the run continues with fieldguide.resume({str(run)!r})")
            raise
    return Run(run)


def resume(
    run: StrPath,
    *,
    root: StrPath | None = None,
    device: str | torch.device = "auto",
    threads: int | None = None,
    cache: StrPath | None = None,
    cache_max: str | int | None = None,
    progress: bool = True,
) -> Run:
    """Continue a run that was stopped: by an interrupt, a kill, a full disk or a power cut.

    Args:
        run: Folder of the run.
        root: Folder of the images, if they were moved.
        device: See `fit`.
        threads: See `fit`.
        cache: See `fit`.
        cache_max: See `fit`.
        progress: See `fit`.

    Raises:
        TrainerError: There is nothing to continue, another process is working on it, or the images have changed.
    """
    with call_environment(
        device=device, threads=threads, cache=cache, cache_max=cache_max, progress=progress
    ) as environment:
        if environment.distributed.is_main:
            resume_run(Path(run), environment, root=optional_path(root))
        else:
            follow_run(Path(run), environment, root=optional_path(root))
    return Run(Path(run))


def open_run(run: StrPath) -> Run:
    """Open a run that `fit`, in Python or on the command line, has written. It need not be finished.

    Raises:
        TrainerError: The folder is not a run.
    """
    RunFolder(Path(run)).read_recipe()
    return Run(Path(run))
