"""The output `ood` of a model file: how strange an image is, computed from what the last layer gets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from service.pixels import UInt8Array
from trainer.abstention.ood import OodStatistics

_PREFIX = "ood."  # of the names of what is added
_SMALLEST_LENGTH = 1e-12
_LINEAR = ("Gemm", "MatMul")
# What may lie between the last layer and the probabilities: temperature, bias, activation.
_AFTER = ("Softmax", "Sigmoid", "Div", "Mul", "Add")

Float32Array = npt.NDArray[np.float32]


class NoFeatures(Exception):
    """The last layer of a model is not a linear one. The message says so."""


def embedder(data: bytes) -> Callable[[UInt8Array], Float32Array]:
    """Return a function from images, uint8 [N, H, W, 3], to what the last layer gets, float32 [N, C].

    Threads may share it; it uses one thread for a call.

    Raises:
        NoFeatures: The last layer is not a linear one.
    """
    model = onnx.load_from_string(data)
    name = _last_layer(model).input[0]
    model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def embed(images: UInt8Array) -> Float32Array:
        found: Float32Array = session.run([name], {"image": images})[0]
        return found

    return embed


def append_ood(data: bytes, statistics: OodStatistics) -> bytes:
    """Add the output `ood`, float32 [N], to a model file.

    Args:
        data: An ONNX file of the bundle format. What it computes otherwise stays as it is.
        statistics: Of the features of its last layer.

    Raises:
        NoFeatures: The last layer is not a linear one.
    """
    model = onnx.load_from_string(data)
    graph = _Builder()
    width = len(statistics.centre)
    squared_means = (statistics.means.astype(np.float64) ** 2).sum(1).astype(np.float32)

    features = _last_layer(model).input[0]
    length = graph.node("ReduceL2", features, graph.axis, keepdims=1)
    unit = graph.node("Div", features, graph.node("Max", length, graph.constant("smallest", _SMALLEST_LENGTH)))
    offset = graph.node("Sub", unit, graph.constant("centre", statistics.centre))
    projected = graph.node("MatMul", offset, graph.constant("directions", statistics.directions))
    scaled = graph.node("Mul", projected, graph.constant("scales", statistics.scales))
    to_means = graph.node(
        "Gemm",
        scaled,
        graph.constant("means", -2 * statistics.means),
        graph.constant("squared_means", squared_means),
        transB=1,
    )
    nearest = graph.node("ReduceMin", to_means, graph.axis, keepdims=0)
    inside = graph.node("ReduceSumSquare", scaled, graph.axis, keepdims=0)
    rest = graph.node(
        "Sub",
        graph.node("ReduceSumSquare", offset, graph.axis, keepdims=0),
        graph.node("ReduceSumSquare", projected, graph.axis, keepdims=0),
    )
    distance = graph.node(
        "Add",
        graph.node("Add", nearest, inside),
        graph.node("Mul", rest, graph.constant("rest", statistics.rest)),
    )
    graph.node("Mul", distance, graph.constant("per_dimension", 1 / width), output="ood")

    model.graph.node.extend(graph.nodes)
    model.graph.initializer.extend(graph.constants)
    batch = model.graph.input[0].type.tensor_type.shape.dim[0].dim_param or "N"
    model.graph.output.append(helper.make_tensor_value_info("ood", TensorProto.FLOAT, [batch]))
    changed: bytes = model.SerializeToString(deterministic=True)
    return changed


def _last_layer(model: onnx.ModelProto) -> onnx.NodeProto:
    """The linear layer that the probabilities come from."""
    makers = {name: node for node in model.graph.node for name in node.output}
    weights = {tensor.name for tensor in model.graph.initializer}
    name = "probabilities"
    while name in makers:
        node: onnx.NodeProto = makers[name]
        if node.op_type in _LINEAR and len(weights.intersection(node.input)) > 0 and node.input[0] not in weights:
            return node
        if node.op_type not in _AFTER:
            break
        name = next(each for each in node.input if each not in weights)
    raise NoFeatures("its last layer is not a linear one with constant weights")


class _Builder:
    """Nodes and constants with names of their own."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.axis = self.constant("axis", np.array([1], dtype=np.int64))

    def constant(self, name: str, value: Any) -> str:
        array = value if isinstance(value, np.ndarray) else np.array(value, dtype=np.float32)
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), _PREFIX + name))
        return _PREFIX + name

    def node(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        name = output or f"{_PREFIX}{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name
