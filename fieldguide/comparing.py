"""Two runs or bundles, compared from Python.

A module called compare would take the place of the function in the package.
"""

from __future__ import annotations

from pathlib import Path

from fieldguide.paths import StrPath, optional_path
from fieldguide.progress import show_progress
from trainer.report.comparison import Comparison
from trainer.run import usable_threads
from trainer.run.compare import compare_models, require_page, write_comparison
from trainer.run.compare_images import CompareOptions


def compare(
    run1: StrPath,
    run2: StrPath,
    data: StrPath | None = None,
    *,
    out: StrPath | None = None,
    root: StrPath | None = None,
    path_column: str | None = None,
    label_column: str | None = None,
    label_delimiter: str | None = None,
    suffix: str | None = None,
    class_level: int | None = None,
    pattern: str | None = None,
    any_suffix: bool | None = None,
    threads: int | None = None,
    progress: bool = True,
) -> Comparison:
    """Compare two models on images that neither was trained on. The same as the command `fieldguide compare`.

    Args:
        run1: A run, or a bundle.
        run2: The same.
        data: Folder, table or archive; None: the validation images of both runs.
        out: New .html page with the classes and the images that changed; None: it is not written.
        root: Folder that the paths of a CSV are relative to; without `data`, the folder of the runs' images, if they
            were moved.
        path_column: Column of the CSV; None: that of the data of `run2`, as in all of these.
        label_column: Column of the CSV.
        label_delimiter: Character between the labels of one image.
        suffix: Suffix of the images, if the paths in the table have none.
        class_level: Level of the folder that is the label, counted from `data`.
        pattern: Whose first group is the label in a path from `data`.
        any_suffix: Whether files without the suffix of an image count, too.
        threads: Number of threads that decode and predict; None: one for each core.
        progress: Whether to show progress.

    Returns:
        `verdicts`, one for each place whose labels differ, each with `paired` (both accuracies, the interval of their
        difference, how many became right and wrong) and `classes`; `changed` images; `remarks`. `str` of it is what the
        command prints, and `to_json` what it prints with `--json`.

    Raises:
        TrainerError: The models cannot be compared, or there are no such images.
        BundleRefused: A bundle is damaged.
        FileExistsError: `out` exists already.
    """
    page = optional_path(out)
    if page is not None:
        require_page(page)
    asked = {
        "path_column": path_column,
        "label_column": label_column,
        "label_delimiter": label_delimiter,
        "suffix": suffix,
        "class_level": class_level,
        "pattern": pattern,
        "any_suffix": any_suffix,
    }
    reading = {name: value for name, value in asked.items() if value is not None}
    options = CompareOptions(data=optional_path(data), root=optional_path(root), reading=reading)
    with show_progress(wanted=progress) as shown:
        found = compare_models(Path(run1), Path(run2), options, threads=usable_threads(threads), progress=shown)
    if page is not None:
        write_comparison(found, page)
    return found
