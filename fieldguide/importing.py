"""A bundle from a model that another program trained, from Python."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import trainer.run.import_model
from fieldguide.paths import StrPath, optional_path
from fieldguide.progress import show_progress
from service.bundle.spec import Task
from service.pixels import Filter, Mode
from trainer.export.foreign_onnx import Layout, Outputs, Triple
from trainer.model.preprocessing import Preprocessing
from trainer.run import DataOptions, ImportOptions, usable_threads


def import_model(
    weights: StrPath,
    out: StrPath | None = None,
    *,
    oci: StrPath | None = None,
    backbone: str = "",
    classes: StrPath | Sequence[str] | None = None,
    task: Task = "classification",
    size: int | None = None,
    mean: Triple | None = None,
    std: Triple | None = None,
    resize: Mode | None = None,
    resize_short: int | None = None,
    filter: Filter | None = None,  # noqa: A002  (as the option is called)
    layout: Layout = "nchw",
    outputs: Outputs = "logits",
    data: StrPath | None = None,
    root: StrPath | None = None,
    path_column: str = "path",
    label_column: str = "label",
    label_delimiter: str = "",
    name: str = "",
    version: str | int = "1",
    limits_of_use: str = "",
    sign_key: StrPath | None = None,
    threads: int | None = None,
    progress: bool = True,
) -> Path:
    """Write a bundle from a model that another program trained, and return its path. As `fieldguide import`.

    Args:
        weights: State dict or checkpoint of torch, .safetensors file, or .onnx file. No code in it is run.
        out: New folder or .zip; None: only `oci` is written.
        oci: New folder for an OCI image layout with the bundle under /models; None: none is written.
        backbone: Network of the weights, such as torchvision/resnet34; empty for an ONNX file.
        classes: Names in the order of the training; or a text file with one a line, or a bundle; None: those in the
            file of weights.
        task: classification or multilabel.
        size: Side of the input, pixels; None: that of the backbone.
        mean: Of the three channels, for pixel values in 0..1; None: that of the backbone.
        std: Standard deviation, likewise.
        resize: How an image becomes a square: crop, squish or pad; None: as the backbone, crop for an ONNX file.
        resize_short: Short side before the crop, pixels; None: as the backbone, `size` for an ONNX file.
        filter: bilinear or bicubic; None: as the backbone, bilinear for an ONNX file.
        layout: Of the input of an ONNX file: nchw or nhwc.
        outputs: What an ONNX file gives: logits or probabilities.
        data: Labelled images that it was not trained on, as for `fit`: they give temperature, thresholds and metrics;
            None: nothing is measured.
        root: Folder that the paths in a table are relative to.
        path_column: Column of a table.
        label_column: Column of a table.
        label_delimiter: Separates the labels of a cell, for multilabel.
        name: Of the bundle; empty: that of the file.
        version: Of the bundle.
        limits_of_use: What the model must not be used for, or where it fails, a text a line.
        sign_key: Private key (Ed25519, PEM) that signs the bundle; None: it is not signed.
        threads: Number of threads that decode and predict; None: one for each core.
        progress: Whether to show progress.

    Raises:
        TrainerError: The model cannot be imported, or the bundle does not predict what it predicts.
        FileExistsError: `out` or `oci` exists already.
    """
    read = None
    if data is not None:
        read = DataOptions(
            path=Path(data),
            root=optional_path(root),
            path_column=path_column,
            label_column=label_column,
            label_delimiter=label_delimiter,
        )
    is_path = isinstance(classes, str) or hasattr(classes, "__fspath__")
    options = ImportOptions(
        weights=Path(weights),
        out=optional_path(out),
        oci=optional_path(oci),
        backbone=backbone,
        classes=Path(classes) if is_path else classes,  # type: ignore[arg-type]
        task=task,
        preprocessing=Preprocessing(
            size=size, resize_short=resize_short, mode=resize, filter=filter, mean=mean, std=std
        ),
        layout=layout,
        outputs=outputs,
        data=read,
        name=name,
        version=str(version),
        limits_of_use=limits_of_use,
        sign_key=optional_path(sign_key),
    )
    with show_progress(wanted=progress) as shown:
        trainer.run.import_model.import_model(options, threads=usable_threads(threads), progress=shown)
    place = options.out or options.oci
    assert place is not None  # else import_model raised
    return place
