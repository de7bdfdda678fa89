"""From a trained classifier to a bundle on disk, through every check that there is."""

from __future__ import annotations

import datetime
import io
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import onnxruntime
import torch

import service
from service.bundle import Bundle, BundleRefused, Spec, canonical_json, golden, onnx_file, read_bundle, write_bundle
from service.bundle.manifest import Manifest
from service.pixels import PixelSpec
from service.predictor import Predictor
from trainer.catalog import Catalog
from trainer.data import PixelCache
from trainer.errors import ExportError, ParityError
from trainer.export.golden import images_from, make_golden, synthetic_images
from trainer.export.graph import Served, find_features, to_onnx
from trainer.export.metrics import predict_files, reference
from trainer.export.parity import check_parity
from trainer.model import Classifier
from trainer.progress import Progress
from trainer.recipe import Recipe
from trainer.training.calibration import calibrate
from trainer.training.evaluate import predict_logits
from trainer.training.metrics import compute_metrics, wilson_interval

_MODEL = "model.onnx"


@dataclass(frozen=True, kw_only=True, eq=False)
class Exportable:
    """A trained classifier and what it was trained on.

    catalog  the readable images
    valid    the validation images of the catalog, decoded with `pixels`
    unreadable_count  of files that were left out
    head_trained      whether the head had a stage of its own
    """

    classifier: Classifier
    pixels: PixelSpec
    catalog: Catalog
    valid: PixelCache
    recipe: Recipe
    unreadable_count: int
    head_trained: bool


def export_bundle(
    trained: Exportable,
    target: Path,
    *,
    version: str,
    threads: int,
    progress: Progress,
) -> Bundle:
    """Write a bundle that loads; returns what was loaded.

    Raises ExportError where torch and onnxruntime disagree or the bundle does not pass its own checks, FileExistsError
    where the target exists, OSError where it cannot be written; nothing is left behind then.
    """
    progress.start("export", 1)
    classifier = trained.classifier.cpu().eval().to(memory_format=torch.contiguous_format)
    catalog = trained.catalog
    rows = catalog.split("valid")
    targets = catalog.targets(rows)
    logits = predict_logits(classifier, trained.valid, device=torch.device("cpu"))
    calibration = calibrate(logits, targets, task=catalog.task)
    spec = Spec(
        task=catalog.task,
        classes=catalog.classes,
        pixels=trained.pixels,
        temperature=calibration.temperature,
        thresholds=calibration.thresholds,
    )
    features = find_features(classifier, size=trained.pixels.size)
    served = Served(classifier, spec=spec, features=features)
    model = to_onnx(served, size=trained.pixels.size)
    onnx_file.check(model, _MODEL)
    head = classifier.head.weight.detach().numpy().astype("<f4") if features is not None else None
    draft = _draft_bundle(spec, model, head)
    predictor = Predictor(draft)
    try:
        difference = check_parity(served, predictor, trained.valid, task=catalog.task)
    except ParityError as error:
        raise ExportError(f"no bundle was written: {error}") from error
    files = [catalog.file_of(row) for row in rows]
    probabilities, refused = predict_files(predictor, files, threads=threads, progress=progress)
    for position, reason in refused.items():  # decoded before, so another file by now
        raise ExportError(f"no bundle was written: {files[position]} cannot be decoded any more: {reason}")
    figures = compute_metrics(
        probabilities,
        targets,
        task=catalog.task,
        thresholds=spec.thresholds,
        coarse_indices=catalog.coarse_indices,
    )
    metrics = {
        "model": _MODEL,
        "validation": {"images": len(rows), **figures},
        "parity": {"largest_difference": difference},
        "reference": reference(probabilities, task=catalog.task, thresholds=spec.thresholds),
    }
    images = synthetic_images() if trained.recipe.golden == "synthetic" else images_from(_spread(files))
    made = make_golden(images, predictor, model_file=_MODEL)
    created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    name = trained.recipe.name
    card = _card(trained, version=version, created=created, figures=figures, temperature=spec.temperature)
    contents = {
        "spec.json": canonical_json.dumps(spec.to_json()),
        _MODEL: model,
        "metrics.json": canonical_json.dumps(metrics),
        "card.md": card.encode(),
        golden.INDEX: golden.encode(made),
        **images,
        **({"head.npy": _npy(head)} if head is not None else {}),
    }
    facts = {"name": name, "version": version, "created": created}
    try:
        write_bundle(target, contents, **facts, producer=_producer(), check=_check)
    except BundleRefused as error:
        raise ExportError(f"no bundle was written: it did not pass its own checks: {error}") from error
    return read_bundle(target)


def _check(written: Path) -> None:
    """As the service will load it, golden images and all."""
    Predictor(read_bundle(written))


def _draft_bundle(spec: Spec, model: bytes, head: Any) -> Bundle:
    """The bundle before it has golden images and metrics, which only its own model can give."""
    return Bundle(
        manifest=Manifest(name="draft", version="0", created="", producer={}, files={}),
        digest="",
        spec=spec,
        models={_MODEL: model},
        head=head,
        golden=(),
        metrics={},
        card="",
    )


def _spread(files: Sequence[Path]) -> list[bytes]:
    """Four files from all over the (sorted) list, so of different classes where there are some."""
    picked = sorted({round(share * (len(files) - 1)) for share in (0.0, 1 / 3, 2 / 3, 1.0)})
    return [files[number].read_bytes() for number in picked]


def _npy(array: Any) -> bytes:
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


def _card(trained: Exportable, *, version: str, created: str, figures: dict[str, float], temperature: float) -> str:
    environment = jinja2.Environment(  # noqa: S701  (Markdown, not HTML)
        loader=jinja2.PackageLoader("trainer.export", "."), undefined=jinja2.StrictUndefined, keep_trailing_newline=True
    )
    catalog = trained.catalog
    valid_count = len(catalog.split("valid"))
    return environment.get_template("card.md.jinja").render(
        name=trained.recipe.name,
        version=version,
        created=created,
        fieldguide_version=service.__version__,
        task=catalog.task,
        task_words="classifier" if catalog.task == "classification" else "multilabel classifier",
        classes=catalog.classes,
        groups=catalog.coarse_labels,
        train_count=len(catalog.split("train")),
        valid_count=valid_count,
        unreadable_count=trained.unreadable_count,
        head_trained=trained.head_trained,
        drawn=trained.recipe.data.drawn,
        recipe=asdict(trained.recipe),
        pixels=trained.pixels.to_json(),
        figures=figures,
        temperature=temperature,
        accuracy_interval=wilson_interval(figures["accuracy"], valid_count) if "accuracy" in figures else None,
    )
