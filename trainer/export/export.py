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
from trainer.errors import ExportError
from trainer.export.card import render_card
from trainer.export.draft import ModelDraft, draft_predictor, spec_of
from trainer.export.exportable import Exportable
from trainer.export.fitting import (
    FittedFile,
    fit_abstention,
    fit_int8,
    measure,
    network_logits,
    report_limits,
)
from trainer.export.golden import require_golden, synthetic_images, validation_images
from trainer.export.graph import CalibratedClassifier, find_feature_layer, to_onnx
from trainer.export.int8_choice import choose_int8, require_judgeable
from trainer.export.metrics import predict_files
from trainer.export.origin import created_now
from trainer.export.parity import check_parity, compared_images
from trainer.export.strangers import score_strangers
from trainer.export.writing import BundleParts, write_checked
from trainer.progress import Progress
from trainer.training.calibration import calibrate


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
    logits = network_logits(classifier, trained.calibration_set)
    calibration = calibrate(logits, trained.calibration_set.targets, task=catalog.task)
    feature_layer = find_feature_layer(classifier, size=size)
    model = CalibratedClassifier(classifier, calibration=calibration, feature_layer=feature_layer)
    head = None if feature_layer is None else classifier.head.weight.detach().numpy().astype("<f4")
    fp32 = ModelDraft(data=to_onnx(model, size=size), calibration=calibration, head=head)
    onnx_file.check(fp32.data, FP32)

    predictor = draft_predictor(spec_of(trained, {FP32: fp32}), fp32, model_file=FP32)
    difference = check_parity(model, predictor, trained.checked, task=catalog.task, progress=progress)
    probabilities = _predict(predictor, files, threads=threads, progress=progress)
    fitted = {FP32: FittedFile(draft=fp32, logits=logits, probabilities=probabilities)}
    metrics: dict[str, Any] = {}
    if trained.recipe.int8 != "off":
        choice = choose_int8(fp32, trained, threads=threads, progress=progress)
        metrics["int8"] = choice.report
        if choice.draft is not None:
            fitted[INT8] = fit_int8(choice.draft, choice.probabilities, trained, file=INT8, threads=threads)

    drafts: dict[str, ModelDraft] = {}
    metrics["models"] = {}
    for name, file in fitted.items():
        draft = fit_abstention(file, trained)
        report_limits(name, draft, progress)
        strangers = score_strangers(draft, trained, threads=threads, progress=progress)
        drafts[name] = strangers.draft
        metrics["models"][name] = measure(file, strangers, trained)
        if strangers.reason and name == FP32:
            progress.info(f"strange images are not recognized: {strangers.reason}")
    metrics["models"][FP32]["parity"] = {"images": len(trained.checked), "largest_difference": difference}
    spec = spec_of(trained, drafts)
    parts = BundleParts(
        spec=spec,
        drafts=drafts,
        images=synthetic_images() if trained.recipe.golden == "synthetic" else validation_images(files),
        metrics=metrics,
        card=render_card(trained, version=version, created=created, spec=spec, metrics=metrics),
    )
    return write_checked(target, parts, name=trained.recipe.name, version=version, created=created, key=key)


def _predict(
    predictor: Predictor, files: Sequence[Path], *, threads: int, progress: Progress
) -> npt.NDArray[np.float32]:
    """Predict the validation images, whose files these are: float32 [N, K].

    Raises:
        ExportError: One of them cannot be decoded.
    """
    if not files:
        return np.empty((0, len(predictor.spec.classes)), dtype=np.float32)
    probabilities, refused = predict_files(predictor, files, threads=threads, progress=progress)
    for position, reason in refused.items():  # it was decoded before training, so the file has changed since
        raise ExportError(f"no bundle was written: {files[position]} cannot be decoded any more: {reason}")
    return probabilities
