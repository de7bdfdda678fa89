"""What to import, and the names of its classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from service.bundle import read_bundle
from service.bundle.manifest import MANIFEST
from service.bundle.spec import Task
from service.inputs import first_few
from trainer.errors import ImportModelError
from trainer.export.foreign_onnx import Layout, Outputs
from trainer.model.preprocessing import Preprocessing

_MAX_CLASSES_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """Labelled images to calibrate and measure the model on; `fit` reads DATA in the same way.

    Attributes:
        path: Folder, table or archive.
        root: Folder that the paths in a table start from; None: its own.
        path_column: Column of a table.
        label_column: Column of a table.
        label_delimiter: Separates the labels of a cell; empty: a cell is one label.
    """

    path: Path
    root: Path | None = None
    path_column: str = "path"
    label_column: str = "label"
    label_delimiter: str = ""


@dataclass(frozen=True, kw_only=True)
class ImportOptions:
    """What to import.

    Attributes:
        weights: A file of weights, or an ONNX file, whose name ends in .onnx.
        out: Folder or .zip of the bundle; None: only `oci` is written.
        oci: Folder of an OCI image layout with the bundle; None: none is written.
        backbone: Name of the network of the weights; empty for an ONNX file.
        classes: Names in the order of the training, or a file: a text file with one a line, or a bundle; None: those
            in the file of weights.
        task: Of the model.
        preprocessing: How its images are prepared, where no record says it.
        layout: Of the input of an ONNX file.
        outputs: What an ONNX file gives.
        data: Images to calibrate and measure it on; None: nothing is measured.
        name: Of the bundle; empty: that of the file.
        version: Of the bundle.
        limits_of_use: What the model must not be used for, a text a line.
        sign_key: Private key (Ed25519, PEM) that signs the bundle; None: it is not signed.
    """

    weights: Path
    out: Path | None = None
    oci: Path | None = None
    backbone: str = ""
    classes: Path | Sequence[str] | None = None
    task: Task = "classification"
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    layout: Layout = "nchw"
    outputs: Outputs = "logits"
    data: DataOptions | None = None
    name: str = ""
    version: str = "1"
    limits_of_use: str = ""
    sign_key: Path | None = None


def read_classes(given: Path | Sequence[str] | None, *, known: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the classes, in order.

    Args:
        given: Names, a text file with one a line, or a bundle; None: those in the file of weights.
        known: Those in the file of weights.

    Raises:
        ImportModelError: There are none, or one is there twice.
        BundleRefused: A bundle is damaged.
        OSError: The file cannot be read.
    """
    if given is None:
        if not known:
            raise ImportModelError("name the classes in the order of the training: `classes`, a file with one a line")
        return known
    if not isinstance(given, Path):
        return tuple(given)
    if (given / MANIFEST).exists() or given.suffix == ".zip":
        return read_bundle(given).spec.classes
    if given.stat().st_size > _MAX_CLASSES_BYTES:
        raise ImportModelError(f"{given} is no list of classes: it has more than {_MAX_CLASSES_BYTES:,} bytes")
    try:
        lines = given.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ImportModelError(f"{given} is no list of classes: it is not UTF-8 text") from error
    names = [line.strip() for line in lines]
    repeated = sorted({name for name in names if name and names.count(name) > 1})
    if repeated:
        raise ImportModelError(f"{given} has a class twice: {first_few(repeated)}")
    return tuple(filter(None, names))
