"""The network in 8-bit integers: onnxruntime's static quantization, as pairs of QuantizeLinear and DequantizeLinear.

Activations are unsigned and weights signed, which is what processors with VNNI multiply fastest. The first layer gets
the bytes of the image as they are; what follows the last one stays in floats, costs nothing and decides.
"""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from onnx import numpy_helper
from onnxruntime.quantization import CalibrationMethod, QDQQuantizer, QuantType, create_calibrator
from onnxruntime.quantization.calibrate import CalibrationDataReader, TensorsData
from onnxruntime.quantization.quant_utils import load_model_with_shape_infer

from service.pixels import UInt8Array
from trainer.export.graph import strip_metadata
from trainer.export.onnx_graph import take_bytes, widen_stem

Calibration = Literal["minmax", "percentile"]

_LAYERS = ("Conv", "Gemm", "MatMul")  # with weights
_QUANTIZED = (
    *_LAYERS,
    *("Add", "Mul", "Clip", "Relu", "Concat", "MaxPool", "AveragePool", "GlobalAveragePool"),
    *("Reshape", "Transpose"),  # of a wide stem
)
_METHODS = {"minmax": CalibrationMethod.MinMax, "percentile": CalibrationMethod.Percentile}
_PERCENTILE = 99.999
_PERCENTILE_IMAGES = 64  # a histogram of every activation takes ten times as long as its smallest and largest value
_NOISE_IMAGES = 8
_UINT8_STEPS = 255
_INT8_LARGEST = 127


class QuantizationError(Exception):
    """onnxruntime cannot quantize a network. The message says why."""


@dataclass(frozen=True, kw_only=True)
class QuantizationSettings:
    """How a network is quantized.

    Attributes:
        per_channel: Whether each output channel of a layer has a scale of its own.
        calibration: How the range of an activation follows from its values: all of them, or all but a few.
        float_layers: Names of the layers that stay in float.
    """

    per_channel: bool
    calibration: Calibration = "minmax"
    float_layers: tuple[str, ...] = ()

    def __str__(self) -> str:
        scales = "per channel" if self.per_channel else "per tensor"
        count = len(self.float_layers)
        layers = f", {count} layer{'s' if count != 1 else ''} in float" if count else ""
        return f"{scales}, {'MinMax' if self.calibration == 'minmax' else self.calibration}{layers}"


@dataclass(frozen=True, kw_only=True, eq=False)
class CalibrationImages:
    """Training images, and the ranges of the activations that were measured on them, each measured once.

    Attributes:
        pixels: uint8 [N, H, W, 3], N at least 1.
    """

    pixels: UInt8Array
    _ranges: dict[tuple[bytes, Calibration], TensorsData] = field(default_factory=dict)

    def ranges(self, fp32: bytes, calibration: Calibration) -> TensorsData:
        """Return the range of every activation of a model that may be quantized."""
        key = (fp32, calibration)
        if key not in self._ranges:
            self._ranges[key] = _measure_ranges(fp32, self.pixels, calibration)
        return self._ranges[key]


def quantize(fp32: bytes, images: CalibrationImages, settings: QuantizationSettings) -> bytes:
    """Quantize a model.

    Args:
        fp32: An ONNX file with the input of the bundle format.
        images: For the ranges of the activations.
        settings: How.

    Returns:
        An ONNX file with the same input and outputs. The same arguments give the same bytes.

    Raises:
        QuantizationError: It cannot be done.
    """
    with _errors(), _prepared(fp32) as path, _quiet():
        ranges = images.ranges(fp32, settings.calibration)
        model = load_model_with_shape_infer(path)
        nodes = list(model.graph.node)
        layers = _layers_of(model)
        first, last = (nodes.index(layer) for layer in (layers[0], layers[-1]))
        quantizer = QDQQuantizer(
            model,
            settings.per_channel,
            False,
            QuantType.QInt8,
            QuantType.QUInt8,
            ranges,
            [],
            [*(node.name for node in (*nodes[:first], *nodes[last:])), *settings.float_layers],
            list(_QUANTIZED),
            {},
        )
        quantizer.quantize_model()
        quantized = quantizer.model.model
    strip_metadata(quantized)
    _drop_unused_opsets(quantized)
    data: bytes = quantized.SerializeToString(deterministic=True)
    return data


def noisiest_layers(fp32: bytes, images: CalibrationImages, settings: QuantizationSettings) -> list[str]:
    """Sort the layers by the noise in their outputs if their inputs and weights have 256 steps.

    Returns:
        Names of the layers that `quantize` quantizes, the worst signal-to-noise ratio first.

    Raises:
        QuantizationError: It cannot be done.
    """
    with _errors(), _prepared(fp32) as path:
        ranges = images.ranges(fp32, settings.calibration)
        model = load_model_with_shape_infer(path)
        layers = [_Layer(model, node, per_channel=settings.per_channel) for node in _layers_of(model)[:-1]]
    noise = dict.fromkeys((layer.name for layer in layers), 0.0)
    inputs = sorted({layer.input for layer in layers})
    for values in _activations(model, inputs, images.pixels[:_NOISE_IMAGES]):
        activations = dict(zip(inputs, values, strict=True))
        for layer in layers:
            noise[layer.name] += layer.noise(activations[layer.input], *ranges[layer.input].range_value)
    return sorted(noise, key=lambda name: -noise[name])


class _Layer:
    """One layer, which is run alone.

    Attributes:
        name: Of its node.
        input: Name of the activation that it gets.
    """

    def __init__(self, model: onnx.ModelProto, node: onnx.NodeProto, *, per_channel: bool) -> None:
        self.name = node.name
        self.input = node.input[0]
        known = {tensor.name: tensor for tensor in model.graph.initializer}
        weights = numpy_helper.to_array(known[node.input[1]])
        axes = tuple(range(1, weights.ndim)) if per_channel else None
        steps = np.abs(weights).max(axis=axes, keepdims=True) / _INT8_LARGEST
        self._weights = weights
        self._rounded = (np.rint(weights / np.where(steps > 0, steps, 1)) * steps).astype(np.float32)
        graph = onnx.helper.make_graph(
            [node],
            "layer",
            [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in node.input[:2]],
            [onnx.helper.make_tensor_value_info(node.output[0], onnx.TensorProto.FLOAT, None)],
            [known[name] for name in node.input[2:]],
        )
        alone = onnx.helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
        self._names = list(node.input[:2])
        self._session = ort.InferenceSession(alone.SerializeToString(), _options(), providers=["CPUExecutionProvider"])

    def noise(
        self, value: npt.NDArray[np.float32], low: npt.NDArray[np.float32], high: npt.NDArray[np.float32]
    ) -> float:
        """Return the power of the noise in the output as a fraction of that of the signal.

        Args:
            value: The activation that it gets.
            low: The smallest value of the range that is divided into steps.
            high: The largest one.
        """
        bottom, top = min(0.0, low.item()), max(0.0, high.item())
        step = (top - bottom) / _UINT8_STEPS or 1.0
        rounded = (np.rint((value.clip(bottom, top) - bottom) / step) * step + bottom).astype(np.float32)
        clean, noisy = self._run(value, self._weights), self._run(rounded, self._rounded)
        signal = float(np.square(clean).sum())
        return float(np.square(noisy - clean).sum()) / signal if signal else 0.0

    def _run(self, value: npt.NDArray[np.float32], weights: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        (output,) = self._session.run(None, dict(zip(self._names, (value, weights), strict=True)))
        return np.asarray(output, dtype=np.float64)


def _activations(
    model: onnx.ModelProto, names: Sequence[str], pixels: UInt8Array
) -> Iterator[list[npt.NDArray[np.float32]]]:
    """Yield some activations of a model for each image."""
    known = {value.name for value in model.graph.output}
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names if name not in known)
    session = ort.InferenceSession(model.SerializeToString(), _options(), providers=["CPUExecutionProvider"])
    for image in pixels:
        yield session.run(names, {"image": image[np.newaxis]})


def _measure_ranges(fp32: bytes, pixels: UInt8Array, calibration: Calibration) -> TensorsData:
    with _prepared(fp32) as path, _quiet():
        augmented = path.with_name("augmented.onnx")
        calibrator = create_calibrator(
            path,
            list(_QUANTIZED),
            augmented_model_path=str(augmented),
            calibrate_method=_METHODS[calibration],
            extra_options={} if calibration == "minmax" else {"percentile": _PERCENTILE, "symmetric": False},
        )
        # Its own session runs without any optimization, which takes twice as long.
        calibrator.infer_session = ort.InferenceSession(str(augmented), _options(), providers=["CPUExecutionProvider"])
        if calibration == "minmax":
            calibrator.collect_data(_Images(pixels))
        else:
            for image in pixels[:_PERCENTILE_IMAGES]:  # one by one: it keeps every activation until it has counted them
                calibrator.collect_data(_Images(image[np.newaxis]))
        ranges: TensorsData = calibrator.compute_data()
    return ranges


class _Images(CalibrationDataReader):  # type: ignore[misc]
    """Images one by one, as the calibrators read them."""

    def __init__(self, pixels: UInt8Array) -> None:
        self._images = iter(pixels)

    def get_next(self) -> dict[str, UInt8Array] | None:
        """Return the next image as the input of the model; None after the last."""
        image = next(self._images, None)
        return None if image is None else {"image": image[np.newaxis]}


def _layers_of(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """The layers with weights, in the order in which they run; raises QuantizationError if there are none."""
    weights = {tensor.name for tensor in model.graph.initializer}
    layers = [node for node in model.graph.node if node.op_type in _LAYERS and node.input[1] in weights]
    if not layers:
        raise QuantizationError("it has no layer with weights")
    return layers


def _drop_unused_opsets(model: onnx.ModelProto) -> None:
    """Onnxruntime declares every domain that it knows; a bundle may have those alone that it uses."""
    domains = {node.domain for node in model.graph.node}
    used = [opset for opset in model.opset_import if opset.domain in domains]
    del model.opset_import[:]
    model.opset_import.extend(used)


@contextlib.contextmanager
def _prepared(fp32: bytes) -> Iterator[Path]:
    """A file with the model, its constants folded and each of its nodes named, as the quantizer needs it."""
    with tempfile.TemporaryDirectory(prefix="fieldguide-int8-") as folder:
        path = Path(folder) / "prepared.onnx"
        options = _options()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(path)
        ort.InferenceSession(fp32, options, providers=["CPUExecutionProvider"])
        model = onnx.load(path)
        take_bytes(model)
        widen_stem(model)
        for number, node in enumerate(model.graph.node):
            node.name = f"{node.op_type}_{number}"
        onnx.save(model, path)
        yield path


def _options() -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1  # so that the order of sums is fixed
    options.log_severity_level = 4
    return options


@contextlib.contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except QuantizationError:
        raise
    except Exception as error:  # those of onnxruntime have no common base class
        raise QuantizationError(" ".join(f"{type(error).__name__}: {error}".split())[:300]) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hide what the calibrators print, and the advice that the quantizer logs for its own command line."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)
