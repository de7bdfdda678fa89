"""The model of a bundle in onnxruntime: encoded image -> Prediction.

Threads may share a `Predictor`: onnxruntime's `run`, Pillow's decoders and its resize release the GIL. onnxruntime
uses one thread for each image. A server gets its throughput from several images at the same time, and with one thread
the order of sums is fixed: an image gets the same probabilities from every program here.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from service.bundle import Bundle, BundleRefused, GoldenImage, Spec
from service.pixels import Limits, Picture, UInt8Array, load

Float32Array = npt.NDArray[np.float32]

# Names in the ONNX graph.
_INPUT = "image"
_PROBABILITIES = "probabilities"
_FEATURES = "features"
NO_HEATMAPS = (
    "this model gives no heatmaps: its last feature map is a single point, or it does not end in average pooling"
)
# A model with weights outside its file is refused earlier. If one got through, onnxruntime would look for them here.
_NO_SUCH_FOLDER = str(Path(__file__).resolve().parent / "no-external-weights")


@dataclass(frozen=True, kw_only=True)
class Label:
    """One class and its probability.

    Attributes:
        label: Name of the class.
        index: Its position in the bundle's list of classes.
        probability: 0..1.
    """

    label: str
    index: int
    probability: float


class Ranking(Sequence[Label]):
    """Every class, most probable first; equal probabilities in class order.

    A `Label` is created when it is read, since few of them ever are.
    """

    def __init__(self, classes: Sequence[str], probabilities: Float32Array) -> None:
        """Sort the classes.

        Args:
            classes: Names of the K classes.
            probabilities: float32 [K], in the order of `classes`.
        """
        self._classes = classes
        self._probabilities = probabilities
        self._order = np.argsort(-probabilities, kind="stable")

    def __len__(self) -> int:
        return len(self._order)

    @overload
    def __getitem__(self, position: int) -> Label: ...

    @overload
    def __getitem__(self, position: slice) -> tuple[Label, ...]: ...

    def __getitem__(self, position: int | slice) -> Label | tuple[Label, ...]:
        if isinstance(position, slice):
            return tuple(self._label(index) for index in self._order[position].tolist())
        return self._label(int(self._order[position]))

    def __eq__(self, other: object) -> bool:
        """Return whether the other sequence has the same labels in the same order."""
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Ranking({', '.join(f'{item.label!r} {item.probability:.3f}' for item in self[:5])}, ...)"

    def at_least(self, thresholds: Sequence[float]) -> tuple[Label, ...]:
        """Return the labels at or over the threshold of their class, most probable first.

        Args:
            thresholds: K numbers, in class order.
        """
        reached = self._probabilities >= np.asarray(thresholds)
        return tuple(self._label(index) for index in self._order[reached[self._order]].tolist())

    def _label(self, index: Any) -> Label:
        return Label(label=self._classes[index], index=index, probability=float(self._probabilities[index]))


@dataclass(frozen=True, kw_only=True, eq=False)
class Heatmap:
    """Class activation map of one class (Zhou et al. 2016, arXiv:1512.04150): head[index] . features.

    Attributes:
        index: The class.
        values: float32 [h, w], row 0 is the top. Evidence for the class, scaled so that the largest value is 1;
            evidence against it is 0.
        box: (left, top, right, bottom) that the values cover, in upright original pixels.
    """

    index: int
    values: Float32Array
    box: tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True, eq=False)
class Prediction:
    """The model's output for one image.

    Attributes:
        picture: The decoded image, as the model saw it.
        probabilities: float32 [K], in class order.
        ranked: Every class, most probable first.
        labels: Classes at or over their threshold: at most the best one for classification, any number for multilabel.
        heatmap: That of the best class, if it was requested.
        decode_ms: Wall time of decoding.
        infer_ms: Wall time of inference.
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
        """The most probable class, whether it reaches its threshold or not."""
        return self.ranked[0]


class NoHeatmap(Exception):
    """The model has no features output, since it does not end in plain average pooling and one linear layer."""


class Predictor:
    """A loaded model whose golden images agreed.

    Attributes:
        spec: Task, classes, pixels and thresholds.
        name: Name of the bundle.
        version: Version of the bundle.
        digest: Hash of the bundle's manifest, "sha256:...".
        created: When the bundle was made, as its manifest says: ISO 8601.
        metrics: metrics.json of the bundle.
        limits: Limits on the size of images.
        warnings: One line for each golden image whose pixels differ here.
    """

    def __init__(self, bundle: Bundle, *, model_file: str = "model.onnx", limits: Limits | None = None) -> None:
        """Load a model and check it with the bundle's golden images.

        Args:
            bundle: The bundle.
            model_file: Which of its models to load.
            limits: Limits on the size of images; by default those of the bundle.

        Raises:
            BundleRefused: If onnxruntime does not accept the model, its inputs or outputs do not follow the bundle
                format, or it gives other probabilities for a golden image.
        """
        self.spec: Spec = bundle.spec
        self.name = bundle.manifest.name
        self.version = bundle.manifest.version
        self.digest = bundle.digest
        self.created = bundle.manifest.created
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
        """Whether the model supports class activation maps."""
        return self._head is not None

    def load(self, data: bytes) -> Picture:
        """Decode one encoded image to the array that the model sees; raises service.pixels.ImageError."""
        return load(data, self.spec.pixels, limits=self.limits)

    def classify(
        self,
        picture: Picture,
        *,
        heatmap: bool = False,
        run_options: ort.RunOptions | None = None,
        decode_ms: float = 0.0,
    ) -> Prediction:
        """Classify a picture that `load` returned.

        Args:
            picture: The decoded image.
            heatmap: Whether to compute the heatmap of the best class.
            run_options: onnxruntime's; another thread stops the inference by setting their `terminate`.
            decode_ms: How long `load` took, for the prediction.

        Raises:
            NoHeatmap: If a heatmap is requested and the model has none.
        """
        if heatmap and self._head is None:
            raise NoHeatmap(NO_HEATMAPS)
        batch = picture.pixels[np.newaxis]
        start = time.perf_counter()
        if heatmap:
            probabilities, features = self._session.run([_PROBABILITIES, _FEATURES], {_INPUT: batch}, run_options)
        else:
            (probabilities,) = self._session.run([_PROBABILITIES], {_INPUT: batch}, run_options)
        infer_ms = 1e3 * (time.perf_counter() - start)
        ranked = Ranking(self.spec.classes, probabilities[0])
        return Prediction(
            picture=picture,
            probabilities=probabilities[0],
            ranked=ranked,
            labels=self._over_threshold(ranked),
            heatmap=self._heatmap(features[0], ranked[0].index, picture) if heatmap else None,
            decode_ms=decode_ms,
            infer_ms=infer_ms,
        )

    def predict(self, data: bytes, *, heatmap: bool = False) -> Prediction:
        """Decode and classify one encoded image: `load`, then `classify`.

        Raises:
            service.pixels.ImageError: If the image cannot be decoded.
            NoHeatmap: If a heatmap is requested and the model has none.
        """
        if heatmap and self._head is None:
            raise NoHeatmap(NO_HEATMAPS)
        start = time.perf_counter()
        picture = self.load(data)
        return self.classify(picture, heatmap=heatmap, decode_ms=1e3 * (time.perf_counter() - start))

    def probabilities(self, batch: UInt8Array) -> Float32Array:
        """Return the probabilities of decoded images: uint8 [N, H, W, 3] -> float32 [N, K]."""
        result: Float32Array = self._session.run([_PROBABILITIES], {_INPUT: batch})[0]
        return result

    def classify_blank(self, *, keep_memory: bool) -> None:
        """Run everything that a request can ask for on a black image.

        Args:
            keep_memory: Whether onnxruntime keeps the memory of this image for the next one, as it does for requests,
                or returns all of it.
        """
        options = ort.RunOptions()
        if not keep_memory:
            options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        size = self.spec.pixels.size
        outputs = [_PROBABILITIES] if self._head is None else [_PROBABILITIES, _FEATURES]
        self._session.run(outputs, {_INPUT: np.zeros((1, size, size, 3), dtype=np.uint8)}, options)

    def features(self, batch: UInt8Array) -> Float32Array:
        """Return the last feature map before average pooling: uint8 [N, H, W, 3] -> float32 [N, C, h, w].

        Raises:
            NoHeatmap: If the model has no features output.
        """
        if self._head is None:
            raise NoHeatmap("this model has no features output")
        result: Float32Array = self._session.run([_FEATURES], {_INPUT: batch})[0]
        return result

    def heatmap(self, picture: Picture, index: int) -> Heatmap:
        """Return the heatmap of any class for a decoded image.

        Args:
            picture: Of `load`.
            index: Of the class.

        Raises:
            NoHeatmap: If the model has none.
        """
        return self._heatmap(self.features(picture.pixels[np.newaxis])[0], index, picture)

    def _over_threshold(self, ranked: Ranking) -> tuple[Label, ...]:
        thresholds = self.spec.thresholds
        if self.spec.task == "classification":
            return ranked[:1] if ranked[0].probability >= thresholds[0] else ()
        return ranked.at_least(thresholds)

    def _heatmap(self, features: Float32Array, index: int, picture: Picture) -> Heatmap:
        assert self._head is not None  # the caller computed features, which only a model with a head has
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
        """Yield a warning for each image whose pixels differ; raises BundleRefused for other probabilities."""
        for image in images:
            pixels, found = self._run_golden(image, model_file)
            expected = image.probabilities[model_file]
            difference = float(np.abs(found - expected).max()) if found.shape == expected.shape else np.inf
            if not difference <= image.tolerance[model_file]:  # NaN must fail too
                raise BundleRefused(
                    f"{image.path}: {model_file} is {difference:.3g} off the expected probabilities "
                    f"(tolerance {image.tolerance[model_file]:.3g})"
                )
            if hashlib.sha256(pixels.tobytes()).hexdigest() != image.pixels_sha256:
                yield f"{image.path} decodes to other pixels than where the bundle was made (another decoder build)"

    def _run_golden(self, image: GoldenImage, model_file: str) -> tuple[UInt8Array, Float32Array]:
        """Run everything that a request can ask for; returns (pixels [H, W, 3], probabilities [K])."""
        try:
            # The maker of the bundle made it, and its hash was checked: the limits on strangers' images do not apply.
            picture = load(image.data, self.spec.pixels)
            batch = picture.pixels[np.newaxis]
            probabilities: Float32Array = self.probabilities(batch)[0]
            if self._head is not None:
                heatmap = self._heatmap(self.features(batch)[0], 0, picture)
                if not np.isfinite(heatmap.values).all():
                    raise ValueError("its heatmap is not finite")
        except Exception as error:  # onnxruntime's errors have no common base class
            raise BundleRefused(f"{image.path}: {model_file} fails: {_reason(error)}") from error
        return picture.pixels, probabilities


def _session(model: bytes, model_file: str) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # the other threads need the cores
    options.log_severity_level = 4  # errors are raised, and reported in one line
    options.add_session_config_entry("session.load_model_format", "ONNX")
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", _NO_SUCH_FOLDER)
    try:
        return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no common base class
        raise BundleRefused(f"onnxruntime does not accept {model_file}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
