"""Whether a bundle gets model.int8.onnx, and which: judged by accuracy alone, on the validation images alone.

The settings are tried in a fixed order, and the first file that is accurate enough is taken. So what is written
depends neither on time nor on how fast the machine is.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from service.bundle import FP32, INT8, BundleRefused, onnx_file
from service.inputs import read_bytes
from service.pixels import ImageError, UInt8Array
from service.predictor import Predictor
from trainer.data.prepare import systematic_sample
from trainer.errors import ExportError
from trainer.export.draft import ModelDraft, draft_predictor, predict_images, spec_of
from trainer.export.exportable import Exportable
from trainer.export.int8 import (
    CalibrationImages,
    QuantizationError,
    QuantizationSettings,
    noisiest_layers,
    quantize,
)
from trainer.progress import Progress
from trainer.training.calibration import calibrate
from trainer.training.metrics import paired_loss_interval
from trainer.training.tasks import TASKS
from trainer.training.tasks.numbers import FloatArray

_CALIBRATION_IMAGES = 330
_CALIBRATION_BYTES = 256 * 1024**2  # of their pixels: with large inputs there are fewer
# The largest loss of accuracy, and from how many images on the smaller one applies.
_MAX_LOSS, _MAX_LOSS_OF_MANY, _MANY = 0.02, 0.01, 600
# With fewer images, those and their mirror images must also get the same labels as from model.onnx.
_FEW, _MIN_AGREEMENT = 200, 0.98
_FLOAT_LAYERS = (1, 2, 4, 8, 16)
_FACTOR = "temperature_factor"  # name of what the logits are divided by
_PLAIN = (
    QuantizationSettings(per_channel=False),
    QuantizationSettings(per_channel=True),
    QuantizationSettings(per_channel=False, calibration="percentile"),
    QuantizationSettings(per_channel=True, calibration="percentile"),
)

Float32Array = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Int8Choice:
    """What was found.

    Attributes:
        draft: The file; None if none is accurate enough.
        probabilities: What it predicts for the validation images, float32 [N, K].
        report: What metrics.json says about it: `accepted`, `reason`, `images`, and in `tried` for each settings
            `net_loss`, `net_loss_interval`, `agreement` and `accepted`.
    """

    draft: ModelDraft | None
    probabilities: Float32Array
    report: dict[str, Any]


def choose_int8(fp32: ModelDraft, trained: Exportable, *, threads: int, progress: Progress) -> Int8Choice:
    """Quantize a model so that it loses no accuracy, if that can be done.

    Args:
        fp32: model.onnx.
        trained: Its images: those of training for the ranges, those of validation to judge.
        threads: Number of images that are processed at the same time.
        progress: Shows the stage.

    Raises:
        ExportError: The recipe requires the file, and there is none.
    """
    count = len(trained.catalog.split("valid"))
    reason = _why_not(count)
    if reason:
        return _refuse(trained, reason, count, [], progress)
    progress.start("int8", len(_PLAIN) + len(_FLOAT_LAYERS), "settings")
    predictor = draft_predictor(spec_of(trained, {FP32: fp32}), fp32, model_file=FP32)
    pixels = _training_pixels(trained, predictor, threads=threads)
    if pixels is None:
        return _refuse(trained, "no training image can be read any more", count, [], progress)
    judge = _Judge(fp32, trained, predictor, threads=threads)
    tried: list[dict[str, Any]] = []
    try:
        draft = _first_accurate(judge, _candidates(fp32.data, CalibrationImages(pixels=pixels)), tried, progress)
    except (QuantizationError, BundleRefused) as error:
        return _refuse(trained, f"onnxruntime cannot quantize this network: {error}", count, tried, progress)
    if draft is None:
        best = min(tried, key=lambda found: found["net_loss_interval"][1])
        reason = f"none of {len(tried)} settings is as accurate as model.onnx; the best one: {_in_words(best)}"
        return _refuse(trained, reason, count, tried, progress)
    progress.info(f"model.int8.onnx: {tried[-1]['settings']}; {_in_words(tried[-1])}")
    return Int8Choice(
        draft=draft,
        probabilities=judge.predict(draft)[:count],
        report={"accepted": True, "reason": "", "images": count, "tried": tried},
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Candidate:
    settings: QuantizationSettings
    data: bytes


def _candidates(fp32: bytes, images: CalibrationImages) -> Iterator[_Candidate]:
    """Quantize in every way, in order; a next one is asked for only if the one before is not good enough."""
    for settings in _PLAIN:
        yield _Candidate(settings=settings, data=quantize(fp32, images, settings))
    base = QuantizationSettings(per_channel=True)
    layers = noisiest_layers(fp32, images, base)
    for count in _FLOAT_LAYERS:
        if count < len(layers):
            settings = QuantizationSettings(per_channel=True, float_layers=tuple(layers[:count]))
            yield _Candidate(settings=settings, data=quantize(fp32, images, settings))


def _first_accurate(
    judge: _Judge, candidates: Iterator[_Candidate], tried: list[dict[str, Any]], progress: Progress
) -> ModelDraft | None:
    """Return the first file that is accurate enough, if one is; add the figures of every one to `tried`."""
    for candidate in candidates:
        draft, found = judge.judge(candidate)
        tried.append({"settings": str(candidate.settings), **found})
        progress.advance()
        if draft is not None:
            return draft
    return None


class _Judge:
    """Compares files with model.onnx on the validation images."""

    def __init__(self, fp32: ModelDraft, trained: Exportable, predictor: Predictor, *, threads: int) -> None:
        self._fp32 = fp32
        self._trained = trained
        self._threads = threads
        self._task = TASKS[trained.catalog.task]
        self._targets = trained.catalog.targets(trained.catalog.split("valid"))
        self._mirrors = len(self._targets) < _FEW
        probabilities: FloatArray = self._predict(predictor)
        count = len(self._targets)
        calibration = fp32.calibration
        if trained.own_calibration_set is not None:  # as every file that it is compared with, on the validation images
            logits = self._task.logits_of(probabilities) * calibration.temperature
            calibration = calibrate(logits[:count], self._targets, task=calibration.task)
            probabilities = calibration.activate(logits)
        self._predicted = self._task.predicted(probabilities, calibration.thresholds)
        self._correct = self._task.correct(probabilities[:count], self._targets, calibration.thresholds)

    def judge(self, candidate: _Candidate) -> tuple[ModelDraft | None, dict[str, Any]]:
        """Return the file with a calibration of its own, or None if it is not accurate enough; and the figures."""
        onnx_file.check(candidate.data, INT8)
        before = self._fp32.calibration
        draft = ModelDraft(data=candidate.data, calibration=before, head=self._fp32.head)
        probabilities = self.predict(draft)
        count = len(self._targets)
        logits = self._task.logits_of(probabilities) * before.temperature
        calibration = calibrate(logits[:count], self._targets, task=before.task)
        calibrated = calibration.activate(logits)
        correct = self._task.correct(calibrated[:count], self._targets, calibration.thresholds)
        interval = paired_loss_interval(self._correct, correct)
        same = (self._task.predicted(calibrated, calibration.thresholds) == self._predicted).all(axis=1)
        accepted = interval[1] < _max_loss(count) and (not self._mirrors or float(same.mean()) >= _MIN_AGREEMENT)
        found = {
            "net_loss": float(self._correct.mean() - correct.mean()),
            "net_loss_interval": list(interval),
            "agreement": float(same.mean()),
            "accepted": accepted,
        }
        if not accepted:
            return None, found
        data = with_temperature(candidate.data, calibration.temperature / before.temperature)
        return ModelDraft(data=data, calibration=calibration, head=self._fp32.head), found

    def predict(self, draft: ModelDraft) -> Float32Array:
        """Predict the validation images with a file, and after them their mirror images if they are few."""
        return self._predict(draft_predictor(spec_of(self._trained, {INT8: draft}), draft, model_file=INT8))

    def _predict(self, predictor: Predictor) -> Float32Array:
        return predict_images(predictor, self._trained.checked, threads=self._threads, mirrored=self._mirrors)


def with_temperature(data: bytes, factor: float) -> bytes:
    """Divide the logits of a model by a factor more.

    Args:
        data: An ONNX file whose `probabilities` are a softmax or sigmoid of its logits.
        factor: Greater than 0.
    """
    if factor == 1:
        return data
    model = onnx.load_from_string(data)
    found = next((weight for weight in model.graph.initializer if weight.name == _FACTOR), None)
    if found is not None:  # it has been divided before
        found.CopyFrom(numpy_helper.from_array(np.float32(factor) * numpy_helper.to_array(found), _FACTOR))
    else:
        nodes = model.graph.node
        position, activation = next((at, node) for at, node in enumerate(nodes) if "probabilities" in node.output)
        model.graph.initializer.append(numpy_helper.from_array(np.array(factor, dtype=np.float32), _FACTOR))
        divided = helper.make_node("Div", [activation.input[0], _FACTOR], ["calibrated"], name="calibrate")
        activation.input[0] = "calibrated"
        nodes.insert(position, divided)
    changed: bytes = model.SerializeToString(deterministic=True)
    return changed


def require_judgeable(int8: str, valid_count: int) -> None:
    """Raise ExportError if the file is required, and too few validation images can judge it."""
    reason = _why_not(valid_count)
    if int8 == "require" and reason:
        raise ExportError(_required(reason))


def _why_not(valid_count: int) -> str:
    """Why so many validation images cannot judge a file, even if it is without fault; empty if they can."""
    if not valid_count:
        return "there are no validation images to judge it on"
    limit, enough = _max_loss(valid_count), valid_count
    while not _can_judge(enough, limit):
        enough += 1
    if enough == valid_count:
        return ""
    return f"{valid_count} validation images cannot exclude a loss of {100 * limit:g} points of accuracy; {enough} can"


def _can_judge(count: int, limit: float) -> bool:
    same = np.ones(count, dtype=np.bool_)
    return paired_loss_interval(same, same)[1] < limit


def _max_loss(count: int) -> float:
    return _MAX_LOSS if count < _MANY else _MAX_LOSS_OF_MANY


def _training_pixels(trained: Exportable, predictor: Predictor, *, threads: int) -> UInt8Array | None:
    """Training images as the service sees them, uint8 [N, H, W, 3]; None if none can be read any more."""
    catalog = trained.catalog
    rows = catalog.split("train")
    count = min(_CALIBRATION_IMAGES, _CALIBRATION_BYTES // (3 * trained.pixels.size**2))
    chosen = systematic_sample(rows, seed=trained.recipe.seed, count=count)

    def read(position: int) -> UInt8Array | None:
        try:
            return predictor.load(read_bytes(catalog.file_of(rows[position]))).pixels
        except (ImageError, OSError):
            return None

    with ThreadPoolExecutor(threads, thread_name_prefix="int8") as pool:
        found = [pixels for pixels in pool.map(read, chosen.tolist()) if pixels is not None]
    return np.stack(found) if found else None


def _refuse(
    trained: Exportable, reason: str, count: int, tried: list[dict[str, Any]], progress: Progress
) -> Int8Choice:
    if trained.recipe.int8 == "require":
        raise ExportError(f"no bundle was written: {_required(reason)}")
    progress.info(f"no model.int8.onnx (the network in 8-bit integers): {reason}")
    empty = np.empty((0, len(trained.catalog.classes)), dtype=np.float32)
    report = {"accepted": False, "reason": reason, "images": count, "tried": tried}
    return Int8Choice(draft=None, probabilities=empty, report=report)


def _required(reason: str) -> str:
    return f"`int8='require'`, but {reason}; leave it out, or choose `int8='auto'`"


def _in_words(found: dict[str, Any]) -> str:
    low, high = found["net_loss_interval"]
    return (
        f"{100 * found['net_loss']:.1f} points of accuracy lost (95 % interval {100 * low:.1f} to {100 * high:.1f}), "
        f"{100 * found['agreement']:.1f} % the same labels"
    )
