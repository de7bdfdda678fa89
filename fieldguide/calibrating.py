"""A bundle of a run, calibrated on labelled images that chose nothing, from Python."""

from __future__ import annotations

from pathlib import Path

from fieldguide.environment import call_environment
from fieldguide.paths import StrPath, optional_path
from trainer.run import ExportOptions, LabelledImages, calibrate_run


def calibrate(
    run: StrPath,
    data: StrPath,
    out: StrPath | None = None,
    *,
    max_error: float | None = None,
    confidence: float | None = None,
    set_level: float | None = None,
    data_root: StrPath | None = None,
    path_column: str | None = None,
    label_column: str | None = None,
    suffix: str | None = None,
    class_level: int | None = None,
    pattern: str | None = None,
    any_suffix: bool | None = None,
    allow_broken: float | None = None,
    oci: StrPath | None = None,
    name: str = "",
    version: str | int = "1",
    golden: str | None = None,
    int8: str | None = None,
    limits_of_use: str | None = None,
    sign_key: StrPath | None = None,
    root: StrPath | None = None,
    threads: int | None = None,
    cache: StrPath | None = None,
    cache_max: str | int | None = None,
    progress: bool = True,
) -> Path:
    """Write a bundle of a run whose temperature, thresholds and sets are fitted anew on images that chose nothing.

    The same as the command `fieldguide calibrate`. What was found is in `metrics.json` of the bundle.

    Args:
        run: Folder of the run.
        data: Labelled images, as for `fit`, which the run has not seen: folder, table or archive. If it has splits, its
            test images are meant.
        out: New folder or .zip; None: only `oci` is written.
        max_error: Largest fraction of wrong answers, such as 0.02: below a threshold on its certainty the model answers
            nothing. 0: it always answers; None: as the run's recipe says.
        confidence: How sure that must be; None: as the run's recipe says.
        set_level: How often a set of labels must hold the right one; 0: no sets; None: as the run's recipe says.
        data_root: Folder that the paths in a table start from; None: that of the table.
        path_column: Column of the table; None: that of the run's data.
        label_column: Column of the table; None: that of the run's data.
        suffix: Suffix of the images, if the paths in the table have none; None: as in the run's data.
        class_level: Level of the folder that is the label, counted from `data`; None: as in the run's data.
        pattern: Whose first group is the label in a path from `data`; None: as in the run's data.
        any_suffix: Whether files without the suffix of an image count, too; None: as in the run's data.
        allow_broken: Largest fraction of the images that may be undecodable; None: that of the run.
        oci: New folder for an OCI image layout with the bundle under /models; None: none is written.
        name: Of the bundle; empty: the run's.
        version: Of the bundle.
        golden: See `Run.export`.
        int8: See `Run.export`.
        limits_of_use: See `Run.export`.
        sign_key: See `Run.export`.
        root: Folder of the run's images, if they were moved.
        threads: Number of threads that decode and predict; None: one for each core.
        cache: Folder of decoded images; None: FIELDGUIDE_CACHE, else ~/.cache/fieldguide.
        cache_max: Largest size of that folder, as for `fit`.
        progress: Whether to show progress.

    Returns:
        `out`, or without it `oci`.

    Raises:
        TrainerError: The images cannot be used, the run has no weights yet, or the bundle did not pass its checks.
        FileExistsError: `out` or `oci` exists already.
    """
    images = LabelledImages(
        path=Path(data),
        root=optional_path(data_root),
        path_column=path_column,
        label_column=label_column,
        suffix=suffix,
        class_level=class_level,
        pattern=pattern,
        any_suffix=any_suffix,
        allow_broken=allow_broken,
    )
    options = ExportOptions(
        out=optional_path(out),
        oci=optional_path(oci),
        name=name,
        version=str(version),
        golden=golden,
        int8=int8,
        limits_of_use=limits_of_use,
        max_error=max_error,
        confidence=confidence,
        set_level=set_level,
        sign_key=optional_path(sign_key),
        root=optional_path(root),
    )
    with call_environment(
        device="cpu", threads=threads, cache=cache, cache_max=cache_max, progress=progress
    ) as environment:
        calibrate_run(Path(run), images, options, environment)
    place = options.out or options.oci
    assert place is not None  # else calibrate_run raised
    return place
