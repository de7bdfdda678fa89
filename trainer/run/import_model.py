"""A bundle from a model that another program trained: weights of a network of torchvision or timm, or an ONNX file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from service.bundle import FP32, Bundle, ModelSpec, SigningKey, Spec, onnx_file
from service.bundle.spec import Task
from service.inputs import first_few, read_bytes
from service.pixels import ImageError, PixelSpec, UInt8Array, load
from service.predictor import Predictor
from trainer.abstention.reliability import calibration_of
from trainer.catalog import Catalog, Columns, ReadOptions, read_catalog, require_readable
from trainer.errors import ImportModelError
from trainer.export.card import render_import_card
from trainer.export.draft import ModelDraft, draft_predictor
from trainer.export.foreign_onnx import ForeignModel, OnnxInput
from trainer.export.golden import synthetic_images
from trainer.export.graph import CalibratedClassifier, find_feature_layer, to_onnx
from trainer.export.int8_choice import with_temperature
from trainer.export.limits_of_use import limits_of_use
from trainer.export.metrics import measure_file, predict_files
from trainer.export.origin import created_now
from trainer.export.parity import Model, check_parity, compared_images
from trainer.export.place import bundle_place
from trainer.export.writing import BundleParts, write_checked
from trainer.model.imported import load_classifier
from trainer.progress import Progress
from trainer.recipe import ALLOW_BROKEN
from trainer.run.export import require_places
from trainer.run.import_options import DataOptions, ImportOptions, read_classes
from trainer.training.calibration import Calibration, calibrate
from trainer.training.tasks import TASKS

ONNX_SUFFIX = ".onnx"
_NOISE_IMAGES = 12  # compared beside the drawn ones
_DATA_IMAGES = 64  # of the user's, compared too


@dataclass(frozen=True, kw_only=True, eq=False)
class _Imported:
    """A model that can be exported.

    Attributes:
        source: What it is, in a few words, for the card.
        classes: In the order of its output.
        pixels: How the service prepares an image.
        model: Gives the probabilities that the bundle must give.
        draft: The same as model.onnx, with a temperature of 1.
    """

    source: str
    classes: tuple[str, ...]
    pixels: PixelSpec
    model: Model
    draft: ModelDraft


def import_model(options: ImportOptions, *, threads: int, progress: Progress) -> Bundle:
    """Write a bundle from a model that another program trained.

    Args:
        options: What to import.
        threads: Number of images that are decoded and predicted at the same time.
        progress: Where a person sees what happens.

    Raises:
        RunError: No place for the bundle is given.
        ImportModelError: The model cannot be imported, or what is given does not fit to it.
        BackboneError: There is no such backbone.
        WeightsError: The file does not hold the weights of the backbone.
        CatalogError: The images cannot be used.
        ExportError: The bundle does not predict what the model predicts, or did not pass its checks.
        KeyUnusable: `sign_key` cannot be used.
        FileExistsError: `out` or `oci` exists.
        OSError: A file cannot be read or written.
    """
    require_places(options.out, options.oci)
    created = created_now()
    key = None if options.sign_key is None else SigningKey(options.sign_key)
    imported = (_import_onnx if options.weights.suffix.lower() == ONNX_SUFFIX else _import_weights)(options)
    onnx_file.check(imported.draft.data, FP32)
    catalog = None if options.data is None else _read_data(options.data, options.task, imported.classes)
    predictor = draft_predictor(_spec(options, imported, imported.draft), imported.draft, model_file=FP32)
    files = [] if catalog is None else [catalog.file_of(row) for row in catalog.rows]
    images = _Images([*_drawn_images(imported.pixels), *_decoded(files[:_DATA_IMAGES], predictor)])
    if isinstance(imported.model, ForeignModel):
        imported.model.check_outputs(images.array)
    progress.start("compare", compared_images(len(images)))
    difference = check_parity(imported.model, predictor, images, task=options.task, progress=progress)
    measured: dict[str, Any] = {"parity": {"images": len(images), "largest_difference": difference}}
    draft = imported.draft
    if catalog is not None:
        draft, found = _calibrate(imported, catalog, predictor, threads=threads, progress=progress)
        measured |= found
    spec = _spec(options, imported, draft)
    name = options.name or options.weights.stem
    metrics = {"models": {FP32: measured}}
    parts = BundleParts(
        spec=spec,
        drafts={FP32: draft},
        images=synthetic_images(),
        metrics=metrics,
        card=render_import_card(
            spec,
            name=name,
            version=options.version,
            created=created,
            source=imported.source,
            sha256=_sha256(options.weights),
            metrics=metrics,
        ),
    )
    with bundle_place(options.out, oci=options.oci) as place:
        return write_checked(place, parts, name=name, version=options.version, created=created, key=key)


def _import_weights(options: ImportOptions) -> _Imported:
    if not options.backbone:
        raise ImportModelError(
            f"{options.weights} is a file of weights: name its network as `backbone`, such as torchvision/resnet34"
        )
    loaded = load_classifier(options.backbone, options.weights, options.preprocessing)
    class_count = loaded.classifier.head.out_features
    classes = read_classes(options.classes, known=loaded.classes)
    if len(classes) != class_count:
        raise ImportModelError(
            f"{options.weights} has {class_count} classes, and {len(classes)} are named; name those of its training, "
            "in their order"
        )
    calibration = _uncalibrated(options.task, class_count)
    size = loaded.backbone.pixels.size
    layer = find_feature_layer(loaded.classifier, size=size)
    model = CalibratedClassifier(loaded.classifier, calibration=calibration, feature_layer=layer)
    head = None if layer is None else loaded.classifier.head.weight.detach().numpy().astype("<f4")
    return _Imported(
        source=f"The network {options.backbone}",
        classes=classes,
        pixels=loaded.backbone.pixels,
        model=model,
        draft=ModelDraft(data=to_onnx(model, size=size), calibration=calibration, head=head),
    )


def _import_onnx(options: ImportOptions) -> _Imported:
    given = options.preprocessing
    if given.size is None or given.mean is None or given.std is None:
        raise ImportModelError(
            f"{options.weights} does not say how its images are prepared: give `size`, `mean` and `std`, and `layout`, "
            "`outputs`, `resize` and `resize_short` if the defaults are not right"
        )
    if options.backbone:
        raise ImportModelError(f"{options.weights} is a network with its weights; leave out `backbone`")
    classes = read_classes(options.classes, known=())
    expected = OnnxInput(
        size=given.size,
        mean=given.mean,
        std=given.std,
        layout=options.layout,
        outputs=options.outputs,
        task=options.task,
    )
    model = ForeignModel(options.weights, expected, class_count=len(classes))
    record = PixelSpec(size=given.size, resize_short=given.size, mode="crop", filter="bilinear")
    calibration = _uncalibrated(options.task, len(classes))
    return _Imported(
        source="A network in ONNX",
        classes=classes,
        pixels=given.pixels(record),
        model=model,
        draft=ModelDraft(data=model.wrapped(), calibration=calibration, head=None),
    )


def _uncalibrated(task: Task, class_count: int) -> Calibration:
    no_logits = np.empty((0, class_count), dtype=np.float32)
    no_targets = np.empty(0, dtype=np.int64) if task == "classification" else no_logits
    return calibrate(no_logits, no_targets, task=task)


def _spec(options: ImportOptions, imported: _Imported, draft: ModelDraft) -> Spec:
    calibration = draft.calibration
    try:
        return Spec(
            task=options.task,
            classes=imported.classes,
            pixels=imported.pixels,
            models={FP32: ModelSpec(temperature=calibration.temperature, thresholds=calibration.thresholds)},
            limits_of_use=limits_of_use(
                options.limits_of_use, options.task, tested=options.data is not None, same_collection=False
            ),
        )
    except ValueError as error:
        raise ImportModelError(f"the classes cannot be used: {error}") from error


def _read_data(data: DataOptions, task: Task, classes: tuple[str, ...]) -> Catalog:
    """The images, all of one split; raises ImportModelError if their labels are not those of the model."""
    columns = Columns(path=data.path_column, label=data.label_column, label_delimiter=data.label_delimiter or None)
    catalog = read_catalog(data.path, ReadOptions(root=data.root, columns=columns, split="none"))
    if catalog.task != task:
        advice = "`label_delimiter`" if task == "multilabel" else "`task='multilabel'`"
        raise ImportModelError(f"{data.path} is read for {catalog.task}, and the model is for {task}; give {advice}")
    unknown = sorted({label for row in catalog.rows for label in row.labels} - set(classes))
    if unknown:
        raise ImportModelError(
            f"{data.path} has {len(unknown):,} labels that are no classes of the model: {first_few(unknown)}"
        )
    return catalog


def _targets(catalog: Catalog, classes: tuple[str, ...]) -> npt.NDArray[Any]:
    """Targets of all rows: int64 [N], or float32 [N, K] of 0 and 1; in the order of the model's classes."""
    index = {name: number for number, name in enumerate(classes)}
    if catalog.task == "classification":
        return np.array([index[label] for row in catalog.rows for label in row.labels], dtype=np.int64)
    targets = np.zeros((len(catalog.rows), len(classes)), dtype=np.float32)
    for number, row in enumerate(catalog.rows):
        targets[number, [index[label] for label in row.labels]] = 1
    return targets


def _calibrate(
    imported: _Imported, catalog: Catalog, predictor: Predictor, *, threads: int, progress: Progress
) -> tuple[ModelDraft, dict[str, Any]]:
    """The model with temperature and thresholds, and what metrics.json says of it."""
    files = [catalog.file_of(row) for row in catalog.rows]
    probabilities, refused = predict_files(predictor, files, threads=threads, progress=progress)
    unreadable = {catalog.rows[position]: reason for position, reason in refused.items()}
    require_readable(len(files), unreadable, allow_broken=ALLOW_BROKEN)
    kept = [position for position in range(len(files)) if position not in refused]
    targets = _targets(catalog, imported.classes)[kept]
    task = catalog.task
    logits = TASKS[task].logits_of(probabilities)
    calibration = calibrate(logits, targets, task=task)
    draft = ModelDraft(
        data=with_temperature(imported.draft.data, calibration.temperature),
        calibration=calibration,
        head=imported.draft.head,
    )
    calibrated = calibration.activate(logits).astype(np.float32)  # what the graph computes from these logits
    reliability = calibration_of(logits, targets, task=task)
    found = {} if reliability is None else {"calibration": reliability}
    return draft, {**measure_file(calibrated, targets, calibration), **found}


class _Images:
    """Decoded images in memory, for the comparison."""

    def __init__(self, images: Sequence[UInt8Array]) -> None:
        self.array: UInt8Array = np.stack(images)

    def __len__(self) -> int:
        return len(self.array)

    def batch(self, positions: npt.NDArray[np.int64], /) -> UInt8Array:
        return self.array[positions]

    def prefetch(self, positions: Iterable[int], /) -> None:
        """They are in memory already."""


def _drawn_images(pixels: PixelSpec) -> list[UInt8Array]:
    noise = np.random.default_rng(0).integers(0, 256, (_NOISE_IMAGES, pixels.size, pixels.size, 3), dtype=np.uint8)
    return [*(load(data, pixels).pixels for data in synthetic_images().values()), *noise]


def _decoded(files: Sequence[Path], predictor: Predictor) -> list[UInt8Array]:
    """Those of the images that can be decoded; the others are reported when all are predicted."""
    found = []
    for file in files:
        try:
            found.append(predictor.load(read_bytes(file)).pixels)
        except ImageError:
            continue
    return found


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
