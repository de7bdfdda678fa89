"""From a trained classifier to a bundle on disk that has passed every check."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from service.bundle import FP32, INT8, Bundle, SigningKey, onnx_file
from service.predictor import Predictor
from trainer.catalog import Catalog
from trainer.errors import ExportError
from trainer.export.card import render_card
from trainer.export.draft import ModelDraft, draft_predictor, spec_of
from trainer.export.exportable import Exportable
from trainer.export.golden import require_golden, synthetic_images, validation_images
from trainer.export.graph import CalibratedClassifier, find_feature_layer, to_onnx
from trainer.export.int8_choice import choose_int8, require_judgeable
from trainer.export.metrics import measure_file, predict_files
from trainer.export.origin import created_now
from trainer.export.parity import check_parity, compared_images
from trainer.export.writing import BundleParts, write_checked
from trainer.model import Classifier
from trainer.progress import Progress
from trainer.training.calibration import Calibration, calibrate
from trainer.training.evaluate import predict_logits
from trainer.training.tasks import TASKS
from trainer.training.tasks.numbers import FloatArray


def export_bundle(
    trained: Exportable,
    target: Path,
    *,
    version: str,
    threads: int,
    progress: Progress,
    key: SigningKey | None = None,
) -> Bundle:
    """Write a bundle, a folder or a zip, and read it back.

    The classifier of `trained` is moved to the CPU and set to eval mode.

    Args:
        trained: The classifier and what it was trained on.
        target: Path of the bundle; a zip if it ends in `.zip`.
        version: Version of the bundle, written into its manifest.
        threads: Number of images that are decoded and predicted at the same time.
        progress: Shows the stages.
        key: Signs the bundle; None: it is not signed.

    Returns:
        The bundle as it was read back from `target`.

    Raises:
        ParityError: onnxruntime does not predict what torch predicts.
        ExportError: A validation image cannot be decoded any more, there is none although one should be among the
            golden images, the recipe requires int8 and it is not accurate enough, or the bundle does not pass its own
            checks.
        FileExistsError: `target` exists.
        OSError: An image cannot be read, or the bundle cannot be written. As after every other error, no part of a
            bundle is left behind.
    """
    created = created_now()
    progress.start("export", compared_images(len(trained.checked)))
    catalog, size = trained.catalog, trained.pixels.size
    files = [catalog.file_of(row) for row in catalog.split("valid")]
    require_golden(trained.recipe.golden, has_validation=bool(files))
    require_judgeable(trained.recipe.int8, len(files))

    classifier = trained.classifier.cpu().eval().to(memory_format=torch.contiguous_format)
    logits = _valid_logits(classifier, trained)
    calibration = calibrate(logits, _valid_targets(catalog), task=catalog.task)
    feature_layer = find_feature_layer(classifier, size=size)
    model = CalibratedClassifier(classifier, calibration=calibration, feature_layer=feature_layer)
    head = None if feature_layer is None else classifier.head.weight.detach().numpy().astype("<f4")
    drafts = {FP32: ModelDraft(data=to_onnx(model, size=size), calibration=calibration, head=head)}
    onnx_file.check(drafts[FP32].data, FP32)

    predictor = draft_predictor(spec_of(trained, {FP32: calibration}), drafts[FP32], model_file=FP32)
    largest_difference = check_parity(model, predictor, trained.checked, task=catalog.task, progress=progress)
    measured = {FP32: {"parity": {"images": len(trained.checked), "largest_difference": largest_difference}}}
    if files:
        probabilities = _predict(predictor, files, threads=threads, progress=progress)
        measured[FP32] |= _metrics_of(probabilities, catalog, calibration, logits=logits)
    metrics: dict[str, Any] = {"models": measured}
    if trained.recipe.int8 != "off":
        choice = choose_int8(drafts[FP32], trained, threads=threads, progress=progress)
        metrics["int8"] = choice.report
        if choice.draft is not None:
            drafts[INT8] = choice.draft
            calibration = choice.draft.calibration
            logits = TASKS[catalog.task].logits_of(choice.probabilities) * calibration.temperature
            measured[INT8] = _metrics_of(choice.probabilities, catalog, calibration, logits=logits)

    spec = spec_of(trained, {name: draft.calibration for name, draft in drafts.items()})
    parts = BundleParts(
        spec=spec,
        drafts=drafts,
        images=synthetic_images() if trained.recipe.golden == "synthetic" else validation_images(files),
        metrics=metrics,
        card=render_card(trained, version=version, created=created, spec=spec, metrics=metrics),
    )
    return write_checked(target, parts, name=trained.recipe.name, version=version, created=created, key=key)


def _valid_logits(classifier: Classifier, trained: Exportable) -> FloatArray:
    """What the network says of the validation images before calibration, on the CPU: [N, K]."""
    if not trained.catalog.split("valid"):
        return np.empty((0, len(trained.catalog.classes)), dtype=np.float32)
    return predict_logits(classifier, trained.checked, device=torch.device("cpu"))


def _valid_targets(catalog: Catalog) -> npt.NDArray[Any]:
    return catalog.targets(catalog.split("valid"))


def _predict(
    predictor: Predictor, files: Sequence[Path], *, threads: int, progress: Progress
) -> npt.NDArray[np.float32]:
    """Predict the validation images, whose files these are: float32 [N, K].

    Raises:
        ExportError: One of them cannot be decoded.
    """
    probabilities, refused = predict_files(predictor, files, threads=threads, progress=progress)
    for position, reason in refused.items():  # it was decoded before training, so the file has changed since
        raise ExportError(f"no bundle was written: {files[position]} cannot be decoded any more: {reason}")
    return probabilities


def _metrics_of(
    probabilities: npt.NDArray[np.float32], catalog: Catalog, calibration: Calibration, *, logits: FloatArray
) -> dict[str, Any]:
    """What metrics.json says of a model file that predicts this for the validation images."""
    targets, coarse_indices = _valid_targets(catalog), catalog.coarse_indices
    return measure_file(probabilities, targets, calibration, logits=logits, coarse_indices=coarse_indices)
