"""An onnxruntime session over a bundle: encoded image -> Prediction.

A `Predictor` may be shared by threads: onnxruntime's `run`, Pillow's decoders and its resize release the GIL. One
thread of onnxruntime an image: a server's throughput comes from images side by side, and the sums are then in one
order, so that an image gets the same probabilities from every program here.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from service.bundle import Bundle, BundleRefused, GoldenImage, Spec
from service.pixels import Limits, Picture, UInt8Array, load
from service.ranking import Label, Ranking

Float32Array = npt.NDArray[np.float32]

_INPUT, _PROBABILITIES, _FEATURES = "image", "probabilities", "features"
# Weights outside the file are refused before; should any get through, onnxruntime would look for them here.
_NO_SUCH_FOLDER = str(Path(__file__).resolve().parent / "no-external-weights")


@dataclass(frozen=True, kw_only=True, eq=False)
class Heatmap:
    """Class activation map of one class (Zhou et al. 2016, arXiv:1512.04150): head[index] . features.

    values  float32 [h, w], row 0 is the top; what speaks for the class, scaled so that the most is 1; what speaks
            against it is 0
    box     (left, top, right, bottom) that the values cover, in upright original pixels
    """

    index: int
    values: Float32Array
    box: tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True, eq=False)
class Prediction:
    """What a model says of one image.

    probabilities  float32 [K]
    ranked         every class, most probable first
    labels         those at or over their threshold: at most the best one for classification, any number for multilabel
    heatmap        of the best class, where it was asked for
    decode_ms, infer_ms  wall time of the two stages
    """

    picture: Picture
    probabilities: Float32Array
    ranked: Sequence[Label]
    labels: tuple[Label, ...]
    heatmap: Heatmap | None
    decode_ms: float
    infer_ms: float

    @property
    def best(self) -> Label:
        """The most probable class, over its threshold or not."""
        return self.ranked[0]


class NoHeatmap(Exception):
    """The bundle has no features output: its model does not end in plain average pooling and one linear layer."""


class Predictor:
    """A loaded model. Building one checks the bundle's golden images, so that what exists can be trusted.

    Raises BundleRefused where onnxruntime does not take the model, its inputs and outputs are not the contract's,
    or a golden image comes out wrong.
    """

    def __init__(self, bundle: Bundle, *, model_file: str = "model.onnx", limits: Limits | None = None) -> None:
        self.spec: Spec = bundle.spec
        self.name = bundle.manifest.name
        self.version = bundle.manifest.version
        self.digest = bundle.digest
        self.metrics = bundle.metrics
        self.limits = limits or bundle.spec.limits
        self.warnings: tuple[str, ...] = ()
        self._head = bundle.head
        if model_file not in bundle.models:
            raise BundleRefused(f"the bundle has no {model_file}")
        self._session = _session(bundle.models[model_file], model_file)
        self._check_signature(model_file)
        self.warnings = tuple(self._check_golden(bundle.golden, model_file))

    @property
    def has_heatmaps(self) -> bool:
        """Whether class activation maps can be had."""
        return self._head is not None

    def load(self, data: bytes) -> Picture:
        """Decode one encoded image to what the model sees; raises service.pixels.ImageError."""
        return load(data, self.spec.pixels, limits=self.limits)

    def predict(self, data: bytes, *, heatmap: bool = False, run_options: ort.RunOptions | None = None) -> Prediction:
        """Decode one encoded image and classify it.

        run_options  onnxruntime's; another thread ends the inference by setting their `terminate`

        Raises service.pixels.ImageError for an image that gives no array, NoHeatmap where none can be had.
        """
        if heatmap and self._head is None:
            raise NoHeatmap("this model gives no heatmaps")
        start = time.perf_counter()
        picture = self.load(data)
        decoded = time.perf_counter()
        batch = picture.pixels[np.newaxis]
        if heatmap:
            probabilities, features = self._session.run([_PROBABILITIES, _FEATURES], {_INPUT: batch}, run_options)
        else:
            (probabilities,) = self._session.run([_PROBABILITIES], {_INPUT: batch}, run_options)
        inferred = time.perf_counter()
        ranked = Ranking(self.spec.classes, probabilities[0])
        return Prediction(
            picture=picture,
            probabilities=probabilities[0],
            ranked=ranked,
            labels=self._over_threshold(ranked),
            heatmap=self._heatmap(features[0], ranked[0].index, picture) if heatmap else None,
            decode_ms=1e3 * (decoded - start),
            infer_ms=1e3 * (inferred - decoded),
        )

    def probabilities(self, batch: UInt8Array) -> Float32Array:
        """Probabilities of decoded images: uint8 [N, H, W, 3] -> float32 [N, K]."""
        result: Float32Array = self._session.run([_PROBABILITIES], {_INPUT: batch})[0]
        return result

    def features(self, batch: UInt8Array) -> Float32Array:
        """Last map before average pooling: uint8 [N, H, W, 3] -> float32 [N, C, h, w]; raises NoHeatmap without one."""
        if self._head is None:
            raise NoHeatmap("this model has no features output")
        result: Float32Array = self._session.run([_FEATURES], {_INPUT: batch})[0]
        return result

    def _over_threshold(self, ranked: Ranking) -> tuple[Label, ...]:
        thresholds = self.spec.thresholds
        if self.spec.task == "classification":
            return ranked[:1] if ranked[0].probability >= thresholds[0] else ()
        return ranked.at_least(thresholds)

    def _heatmap(self, features: Float32Array, index: int, picture: Picture) -> Heatmap:
        assert self._head is not None  # predict() asked for features only where there is a head
        values = np.tensordot(self._head[index], features, axes=1)
        np.maximum(values, 0, out=values)
        top = values.max()
        if top > 0:
            values /= top
        return Heatmap(index=index, values=values, box=picture.box)

    def _check_signature(self, model_file: str) -> None:
        size, class_count = self.spec.pixels.size, len(self.spec.classes)
        inputs = [(node.name, node.type, node.shape) for node in self._session.get_inputs()]
        if len(inputs) != 1 or inputs[0][:2] != (_INPUT, "tensor(uint8)") or inputs[0][2][1:] != [size, size, 3]:
            raise BundleRefused(f"the input of {model_file} is not uint8 [N, {size}, {size}, 3] named {_INPUT!r}")
        if isinstance(inputs[0][2][0], int):
            raise BundleRefused(f"the batch size of {model_file} is fixed to {inputs[0][2][0]}")
        outputs = {node.name: (node.type, node.shape) for node in self._session.get_outputs()}
        kind, shape = outputs.get(_PROBABILITIES, ("", []))
        if kind != "tensor(float)" or len(shape) != 2:
            raise BundleRefused(f"{model_file} has no output float32 [N, K] named {_PROBABILITIES!r}")
        if shape[1] != class_count:
            raise BundleRefused(f"{model_file} gives {shape[1]} probabilities, spec.json names {class_count} classes")
        kind, shape = outputs.get(_FEATURES, ("", []))
        if (kind == "") != (self._head is None):
            raise BundleRefused(f"{model_file} and head.npy do not belong together: one is there without the other")
        if self._head is not None and (kind != "tensor(float)" or len(shape) != 4 or shape[1] != self._head.shape[1]):
            raise BundleRefused(f"the features of {model_file} are not float32 [N, {self._head.shape[1]}, h, w]")

    def _check_golden(self, images: tuple[GoldenImage, ...], model_file: str) -> Iterator[str]:
        for image in images:
            pixels, found = self._answer_golden(image, model_file)
            expected = image.probabilities[model_file]
            difference = float(np.abs(found - expected).max()) if found.shape == expected.shape else np.inf
            if not difference <= image.tolerance[model_file]:  # NaN must fail too
                raise BundleRefused(
                    f"{image.path}: {model_file} is {difference:.3g} off the expected probabilities "
                    f"(tolerance {image.tolerance[model_file]:.3g})"
                )
            if hashlib.sha256(pixels.tobytes()).hexdigest() != image.pixels_sha256:
                yield f"{image.path} decodes to other pixels than where the bundle was made (another decoder build)"

    def _answer_golden(self, image: GoldenImage, model_file: str) -> tuple[UInt8Array, Float32Array]:
        """All that a request may ask for, whose result is (pixels [H, W, 3], probabilities [K])."""
        try:
            # Made by whoever made the bundle, and its hash was checked: the limits of strangers' images do not apply.
            picture = load(image.data, self.spec.pixels)
            batch = picture.pixels[np.newaxis]
            probabilities: Float32Array = self.probabilities(batch)[0]
            if self._head is not None:
                heatmap = self._heatmap(self.features(batch)[0], 0, picture)
                if not np.isfinite(heatmap.values).all():
                    raise ValueError("its heatmap is not finite")
        except Exception as error:  # onnxruntime's errors have no common base class
            raise BundleRefused(f"{image.path}: {model_file} gives no answer: {_reason(error)}") from error
        return picture.pixels, probabilities


def _session(model: bytes, model_file: str) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # a core belongs to another slot
    options.log_severity_level = 4  # what goes wrong is raised, and said in one line
    options.add_session_config_entry("session.load_model_format", "ONNX")
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", _NO_SUCH_FOLDER)
    try:
        return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no common base class
        raise BundleRefused(f"onnxruntime does not take {model_file}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
