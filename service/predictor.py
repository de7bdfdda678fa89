"""The model of a bundle in onnxruntime: encoded image -> Prediction.

Threads may share a `Predictor`: onnxruntime's `run`, Pillow's decoders and its resize release the GIL. onnxruntime
uses one thread for each image. A server gets its throughput from several images at the same time, and with one thread
the order of sums is fixed: an image gets the same probabilities from every program here.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort

from service.abstention import label_set, reason_to_abstain, without_abstention
from service.bundle import FP32, Bundle, BundleRefused, GoldenImage, Spec
from service.pixels import ImageError, Limits, Picture, PixelSpec, UInt8Array, load
from service.prediction import Float32Array, Heatmap, Prediction, Ranking
from service.tasks import TASKS

# Names in the ONNX graph.
_INPUT = "image"
_PROBABILITIES = "probabilities"
_FEATURES = "features"
_OOD = "ood"
NO_HEATMAPS = (
    "this model gives no heatmaps: its last feature map is a single point, or it does not end in average pooling"
)
# A model with weights outside its file is refused earlier. If one got through, onnxruntime would look for them here.
_NO_SUCH_FOLDER = str(Path(__file__).resolve().parent / "no-external-weights")


class NoHeatmap(Exception):
    """The model has no features output, since it does not end in plain average pooling and one linear layer."""


class Predictor:
    """A loaded model whose golden images agreed.

    Attributes:
        spec: Task, classes and pixels.
        model_file: Which model file of the bundle runs.
        model_reason: Why this one, in a few words.
        chosen: What spec.json says of this model file, without what makes it abstain if it must not.
        name: Name of the bundle.
        version: Version of the bundle.
        digest: Hash of the bundle's manifest, "sha256:...".
        created: When the bundle was made, as its manifest says: ISO 8601.
        metrics: What metrics.json says of this model file.
        limits: Limits on the size of images.
        warnings: One line for each golden image whose pixels differ here.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        model_file: str = FP32,
        model_reason: str = "it was asked for",
        limits: Limits | None = None,
        pictures: Sequence[Picture] | None = None,
        abstain: bool = True,
    ) -> None:
        """Load a model and check it with the bundle's golden images.

        Args:
            bundle: The bundle.
            model_file: Which of its models to load; `service.choosing` chooses one.
            model_reason: Why this one, in a few words.
            limits: Limits on the size of images; by default those of the bundle.
            pictures: The bundle's golden images if they are decoded already: what `decode_golden` returned.
            abstain: Whether it may abstain. If not, every prediction has the labels that the model has for it.

        Raises:
            BundleRefused: If onnxruntime does not accept the model, its inputs or outputs do not follow the bundle
                format, a golden image cannot be decoded, or the model gives other probabilities for it.
        """
        if model_file not in bundle.models:
            raise BundleRefused(bundle.left_aside.get(model_file, f"the bundle has no {model_file}"))
        self.spec: Spec = bundle.spec
        self.model_file = model_file
        self.model_reason = model_reason
        self.chosen = bundle.spec.models[model_file]
        self.name = bundle.manifest.name
        self.version = bundle.manifest.version
        self.digest = bundle.digest
        self.created = bundle.manifest.created
        self.metrics = bundle.metrics_of(model_file)
        self.limits = limits or bundle.spec.limits
        self.warnings: tuple[str, ...] = ()
        self._head = bundle.head
        self._session = _session(bundle.models[model_file], model_file)
        self._check_signature(model_file)
        if not abstain:
            self.chosen = without_abstention(self.chosen)
        self._outputs = [_PROBABILITIES] if self.chosen.ood is None else [_PROBABILITIES, _OOD]
        self.warnings = tuple(
            self._check_golden(bundle.golden, decode_golden(bundle) if pictures is None else pictures)
        )

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
        names = [*self._outputs, _FEATURES] if heatmap else self._outputs
        outputs = dict(zip(names, self._session.run(names, {_INPUT: batch}, run_options), strict=True))
        infer_ms = 1e3 * (time.perf_counter() - start)
        probabilities: Float32Array = outputs[_PROBABILITIES][0]
        ood = float(outputs[_OOD][0]) if _OOD in outputs else None
        ranked = Ranking(self.spec.classes, probabilities)
        return Prediction(
            picture=picture,
            probabilities=probabilities,
            ranked=ranked,
            candidates=TASKS[self.spec.task].candidates(ranked, self.chosen.thresholds),
            abstained=reason_to_abstain(probabilities, ood, task=self.spec.task, chosen=self.chosen),
            ood=ood,
            label_set=label_set(ranked, self.chosen),
            heatmap=self._heatmap(outputs[_FEATURES][0], ranked[0].index, picture) if heatmap else None,
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

    def ood(self, batch: UInt8Array) -> Float32Array:
        """Return how strange decoded images are: uint8 [N, H, W, 3] -> float32 [N]. Only if `chosen` has `ood`."""
        result: Float32Array = self._session.run([_OOD], {_INPUT: batch})[0]
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
        outputs = self._outputs if self._head is None else [*self._outputs, _FEATURES]
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
        kind, shape = outputs.get(_OOD, ("", []))
        if self.chosen.ood is not None and (kind != "tensor(float)" or len(shape) != 1):
            raise BundleRefused(
                f"{model_file} has no output float32 [N] named {_OOD!r}, which spec.json has a limit for"
            )
        kind, shape = outputs.get(_FEATURES, ("", []))
        if (kind == "") != (self._head is None):
            raise BundleRefused(f"{model_file} and head.npy do not belong together: one is there without the other")
        if self._head is not None and (kind != "tensor(float)" or len(shape) != 4 or shape[1] != self._head.shape[1]):
            raise BundleRefused(f"the features of {model_file} are not float32 [N, {self._head.shape[1]}, h, w]")

    def _check_golden(self, images: Sequence[GoldenImage], pictures: Sequence[Picture]) -> Iterator[str]:
        """Yield a warning for each image whose pixels differ; raises BundleRefused for other probabilities."""
        name = self.model_file
        for image, picture in zip(images, pictures, strict=True):
            found = self._run_golden(image, picture)
            expected = image.probabilities[name]
            difference = float(np.abs(found - expected).max()) if found.shape == expected.shape else np.inf
            if not difference <= image.tolerance[name]:  # NaN must fail too
                raise BundleRefused(
                    f"{image.path}: {name} is {difference:.3g} off the expected probabilities "
                    f"(tolerance {image.tolerance[name]:.3g})"
                )
            if hashlib.sha256(picture.pixels.tobytes()).hexdigest() != image.pixels_sha256:
                yield f"{image.path} decodes to other pixels than where the bundle was made (another decoder build)"

    def _run_golden(self, image: GoldenImage, picture: Picture) -> Float32Array:
        """Run everything that a request can ask for; returns the probabilities, float32 [K]."""
        try:
            batch = picture.pixels[np.newaxis]
            probabilities: Float32Array = self.probabilities(batch)[0]
            if self.chosen.ood is not None and not np.isfinite(self.ood(batch)).all():
                raise ValueError("its output 'ood' is not finite")
            if self._head is not None:
                heatmap = self._heatmap(self.features(batch)[0], 0, picture)
                if not np.isfinite(heatmap.values).all():
                    raise ValueError("its heatmap is not finite")
        except Exception as error:  # onnxruntime's errors have no common base class
            raise BundleRefused(f"{image.path}: {self.model_file} fails: {_reason(error)}") from error
        return probabilities


def decode_golden(bundle: Bundle) -> tuple[Picture, ...]:
    """Decode the golden images of a bundle.

    Its maker made them, and their hashes were checked: the limits on strangers' images do not apply.

    Raises:
        BundleRefused: One of them cannot be decoded.
    """
    return tuple(_decode_golden(image, bundle.spec.pixels) for image in bundle.golden)


def _decode_golden(image: GoldenImage, spec: PixelSpec) -> Picture:
    try:
        return load(image.data, spec)
    except ImageError as error:
        raise BundleRefused(f"{image.path} cannot be decoded: {_reason(error)}") from error


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
