"""Check the images that a recipe names, or a catalog; move what was found, if that is asked for, and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from trainer.catalog import Catalog
from trainer.checking.check import check_images
from trainer.checking.embedder import FeatureEmbedder
from trainer.checking.findings import CheckResult
from trainer.checking.items import Items, items_of, read_items
from trainer.checking.quarantine import Moved, has_journal, movable_images, open_quarantine, require_movable
from trainer.errors import QuarantineError
from trainer.progress import Progress
from trainer.recipe import Recipe
from trainer.run.inputs import read_recipe_catalog
from trainer.training.device import choose_device


@dataclass(frozen=True, kw_only=True)
class CheckOptions:
    """How images are checked.

    Attributes:
        kinds: What is reported; None: every kind.
        thorough: Whether near duplicates are also found by the features of a network.
        device: Where that network runs.
        threads: Number of images that are decoded at the same time.
    """

    kinds: Sequence[str] | None = None
    thorough: bool = False
    device: str = "auto"
    threads: int


def run_check(
    recipe: Recipe, options: CheckOptions, progress: Progress, *, catalog: Catalog | None = None
) -> CheckResult:
    """Check images. Nothing is changed.

    Args:
        recipe: Names the images.
        options: How.
        progress: Is advanced by every image.
        catalog: The images, if they are not those of the recipe.

    Raises:
        CatalogError: There is no image.
        DeviceError: There is no such device.
    """
    return _check(_read(recipe) if catalog is None else items_of(catalog), options, progress)


def quarantine_found(
    recipe: Recipe,
    options: CheckOptions,
    progress: Progress,
    *,
    folder: Path,
    max_fraction: float,
    report: Callable[[CheckResult], None],
) -> tuple[CheckResult, Moved]:
    """Check images, and move those of the kinds that are asked for, in the order of `kinds`.

    If an earlier command was killed while it moved images, its moves are finished first.

    Args:
        recipe: Names the images.
        options: How; `kinds` is not None.
        progress: Is advanced by every image.
        folder: Where the images go.
        max_fraction: Largest fraction of the images that is moved, 0 to 1.
        report: Is called with the result, before anything that was found is moved.

    Raises:
        QuarantineError: Nothing may be moved, or not to this folder.
        CatalogError, DeviceError: As for `run_check`.
    """
    kinds = options.kinds or ()
    require_movable(kinds)
    moved = Moved()
    if has_journal(folder):
        with open_quarantine(folder, None) as quarantine:
            _require_same_data(recipe, quarantine.root)
            moved = quarantine.continue_moves()
    images = _read(recipe)
    with open_quarantine(folder, images.root) as quarantine:
        result = _check(images, options, progress)
        report(result)
        wanted = movable_images(result, kinds)
        done = quarantine.move(wanted, images=result.images, max_fraction=max_fraction)
    return result, Moved(paths=[*moved.paths, *done.paths], left=moved.left | done.left)


def undo_quarantine(recipe: Recipe, folder: Path) -> Moved:
    """Move everything back.

    Raises:
        QuarantineError: There is no quarantine in this folder, or one of other data.
    """
    if not has_journal(folder):
        raise QuarantineError(f"{folder}: there is no quarantine here; give the folder that the images were moved to")
    with open_quarantine(folder, None) as quarantine:
        _require_same_data(recipe, quarantine.root)
        return quarantine.undo()


def _read(recipe: Recipe) -> Items:
    return read_items(Path(recipe.data.path), lambda: read_recipe_catalog(recipe))


def _check(images: Items, options: CheckOptions, progress: Progress) -> CheckResult:
    embedder = FeatureEmbedder(choose_device(options.device)) if options.thorough else None
    result = check_images(images, threads=options.threads, progress=progress, embedder=embedder)
    return result if options.kinds is None else result.only(options.kinds)


def _require_same_data(recipe: Recipe, root: Path) -> None:
    """A folder must be the one that images were moved from. A table may start from another folder than its own."""
    data = Path(recipe.data.path)
    if data.is_dir() and data.resolve() != root:
        raise QuarantineError(f"this is the quarantine of {root}, not of {data}; give another `quarantine`")
