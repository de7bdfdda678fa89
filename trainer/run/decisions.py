"""What a person decided about the images of an earlier run goes with the images into the next one."""

from __future__ import annotations

import shutil
from pathlib import Path

from trainer.atomic import atomic_open_bytes
from trainer.cleaning.edits import in_force, read_edits
from trainer.recipe import Recipe
from trainer.run.folder import RunFolder


def require_readable_edits(recipe: Recipe) -> None:
    """Raise RunError if this is a training on a cleaned.csv, and the edits.jsonl beside it is damaged."""
    before = _edits_of(recipe)
    if before is not None:
        read_edits(before)


def copy_edits(run: RunFolder, recipe: Recipe) -> int:
    """Copy the edits.jsonl beside the cleaned.csv that a run is trained on.

    So the next `clean` knows which labels were called right, and which images are no duplicates. Nothing is done if
    the run has the file already.

    Args:
        run: RUN.
        recipe: Names its images.

    Returns:
        Number of decisions in force; 0 if the images are no cleaned.csv.
    """
    before = _edits_of(recipe)
    if before is None:
        return 0
    if not run.edits.exists():
        with open(before, "rb") as source, atomic_open_bytes(run.edits) as copy:
            shutil.copyfileobj(source, copy)
    return len(in_force(read_edits(run.edits)))


def _edits_of(recipe: Recipe) -> Path | None:
    table = Path(recipe.data.path)
    cleaned = RunFolder(table.parent)
    return cleaned.edits if table == cleaned.cleaned and cleaned.edits.is_file() else None
