"""From a trained classifier to a bundle on disk that has passed every check."""

from __future__ import annotations

import datetime
import io
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import torch

import service
from service.bundle import (
    FP32,
    Bundle,
    BundleRefused,
    ModelSpec,
    Spec,
    canonical_json,
    golden,
    onnx_file,
    read_bundle,
    write_bundle,
)
from service.predictor import Predictor
from trainer.catalog import Catalog
from trainer.errors import ExportError
from trainer.export.card import render_card
from trainer.export.draft import draft_bundle
from trainer.export.exportable import Exportable
from trainer.export.golden import make_golden, require_golden, synthetic_images, validation_images
from trainer.export.graph import CalibratedClassifier, find_feature_layer, to_onnx
from trainer.export.limits_of_use import limits_of_use
from trainer.export.metrics import drift_reference, predict_files
from trainer.export.parity import check_parity, compared_images
from trainer.model import Classifier
from trainer.progress import Progress
from trainer.training.calibration import Calibration, calibrate
from trainer.training.evaluate import predict_logits
from trainer.training.metrics import compute_metrics


def export_bundle(
    trained: Exportable,
    target: Path,
    *,
    version: str,
    threads: int,
    progress: Progress,
) -> Bundle:
    """Write a bundle, a folder or a zip, and read it back.

    The classifier of `trained` is moved to the CPU and set to eval mode.

    Args:
        trained: The classifier and what it was trained on.
        target: Path of the bundle; a zip if it ends in `.zip`.
        version: Version of the bundle, written into its manifest.
        threads: Number of images that are decoded and predicted at the same time.
        progress: Shows the stages.

    Returns:
        The bundle as it was read back from `target`.

    Raises:
        ParityError: onnxruntime does not predict what torch predicts.
        ExportError: A validation image cannot be decoded any more, there is none although one should be among the
            golden images, or the bundle does not pass its own checks.
        FileExistsError: `target` exists.
        OSError: An image cannot be read, or the bundle cannot be written. As after every other error, no part of a
            bundle is left behind.
    """
    progress.start("export", compared_images(len(trained.checked)))
    task, pixels = trained.catalog.task, trained.pixels
    files = [trained.catalog.file_of(row) for row in trained.catalog.split("valid")]
    require_golden(trained.recipe.golden, has_validation=bool(files))

    classifier = trained.classifier.cpu().eval().to(memory_format=torch.contiguous_format)
    calibration = _calibrate(classifier, trained)
    spec = _spec_of(trained, {FP32: calibration})

    feature_layer = find_feature_layer(classifier, size=pixels.size)
    model = CalibratedClassifier(classifier, calibration=calibration, feature_layer=feature_layer)
    onnx_bytes = to_onnx(model, size=pixels.size)
    onnx_file.check(onnx_bytes, FP32)
    head = None if feature_layer is None else classifier.head.weight.detach().numpy().astype("<f4")

    predictor = Predictor(draft_bundle(spec, {FP32: onnx_bytes}, head))
    largest_difference = check_parity(model, predictor, trained.checked, task=task, progress=progress)
    metrics = {
        "parity": {"images": len(trained.checked), "largest_difference": largest_difference},
        **({} if not files else _measure(predictor, trained.catalog, files, threads=threads, progress=progress)),
    }

    images = synthetic_images() if trained.recipe.golden == "synthetic" else validation_images(files)
    golden_images = make_golden(images, predictor, model_file=FP32)

    name = trained.recipe.name
    created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    card = render_card(trained, version=version, created=created, spec=spec, metrics=metrics)
    contents = {
        "spec.json": canonical_json.dumps(spec.to_json()),
        FP32: onnx_bytes,
        "metrics.json": canonical_json.dumps({"models": {FP32: metrics}}),
        "card.md": card.encode(),
        golden.INDEX: golden.encode(golden_images),
        **images,
        **({} if head is None else {"head.npy": _npy_bytes(head)}),
    }
    try:
        write_bundle(
            target, contents, name=name, version=version, created=created, producer=_producer(), check=_check_loads
        )
    except BundleRefused as error:
        raise ExportError(f"no bundle was written: it did not pass its own checks: {error}") from error
    return read_bundle(target)


def _calibrate(classifier: Classifier, trained: Exportable) -> Calibration:
    """Choose temperature and thresholds on the validation images, on the CPU."""
    catalog = trained.catalog
    rows = catalog.split("valid")
    if rows:
        logits = predict_logits(classifier, trained.checked, device=torch.device("cpu"))
    else:
        logits = np.empty((0, len(catalog.classes)), dtype=np.float32)
    return calibrate(logits, catalog.targets(rows), task=catalog.task)


def _spec_of(trained: Exportable, calibrations: Mapping[str, Calibration]) -> Spec:
    """The spec of a bundle with these model files."""
    catalog = trained.catalog
    return Spec(
        task=catalog.task,
        classes=catalog.classes,
        pixels=trained.pixels,
        models={
            name: ModelSpec(temperature=found.temperature, thresholds=found.thresholds)
            for name, found in calibrations.items()
        },
        golden="validation" if trained.recipe.golden == "validation" else "synthetic",
        groups=tuple(catalog.coarse_labels[index] for index in catalog.coarse_indices),
        limits_of_use=limits_of_use(catalog, trained.recipe),
    )


def _measure(
    predictor: Predictor, catalog: Catalog, files: Sequence[Path], *, threads: int, progress: Progress
) -> dict[str, Any]:
    """What metrics.json says of the validation images, whose files these are.

    Raises:
        ExportError: One of them cannot be decoded.
    """
    probabilities, refused = predict_files(predictor, files, threads=threads, progress=progress)
    for position, reason in refused.items():  # it was decoded before training, so the file has changed since
        raise ExportError(f"no bundle was written: {files[position]} cannot be decoded any more: {reason}")
    thresholds = predictor.thresholds
    metrics = compute_metrics(
        probabilities,
        catalog.targets(catalog.split("valid")),
        task=catalog.task,
        thresholds=thresholds,
        coarse_indices=catalog.coarse_indices,
    )
    return {
        "validation": {"images": len(files), **metrics},
        "reference": drift_reference(probabilities, task=catalog.task, thresholds=thresholds),
    }


def _check_loads(path: Path) -> None:
    """Load a written bundle as the service does, with its golden images."""
    Predictor(read_bundle(path))


def _npy_bytes(array: npt.NDArray[np.float32]) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
    return file.getvalue()


def _producer() -> dict[str, str]:
    return {
        "fieldguide": service.__version__,
        "onnxruntime": onnxruntime.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
