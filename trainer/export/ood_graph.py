"""The output `ood` of a model file: how strange an image is, computed from what the last layer gets and gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from service.pixels import UInt8Array
from trainer.abstention.ood import SMALLEST_LENGTH, TEMPERATURE, NetworkOutputs, OodStatistics

_PREFIX = "ood."  # of the names of what is added
_LINEAR = ("Gemm", "MatMul")
_ACTIVATIONS = ("Softmax", "Sigmoid")
# What may lie between the last layer and the probabilities: temperature, bias, activation.
_AFTER = (*_ACTIVATIONS, "Div", "Mul", "Add")


class NoScore(Exception):
    """No score of strange images can be made. The message says why."""


def embedder(data: bytes) -> Callable[[UInt8Array], NetworkOutputs]:
    """Return a function from images, uint8 [N, H, W, 3], to what the last layer gets and what it gives.

    Threads may share it; it uses one thread for a call.

    Raises:
        NoScore: The last layer is not a linear one.
    """
    model = onnx.load_from_string(data)
    names = [_last_layer(model).input[0], _activation(model).input[0]]
    model.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def embed(images: UInt8Array) -> NetworkOutputs:
        features, logits = session.run(names, {"image": images})
        return NetworkOutputs(features=features, logits=logits)

    return embed


def append_ood(data: bytes, statistics: OodStatistics) -> bytes:
    """Add the output `ood`, float32 [N], to a model file.

    Args:
        data: An ONNX file of the bundle format. What it computes otherwise stays as it is.
        statistics: Of the features of its last layer.

    Raises:
        NoScore: The last layer is not a linear one.
    """
    model = onnx.load_from_string(data)
    graph = _Builder()
    width = len(statistics.centre)
    squared_means = (statistics.means.astype(np.float64) ** 2).sum(1).astype(np.float32)

    features = _last_layer(model).input[0]
    length = graph.node("ReduceL2", features, graph.axis, keepdims=1)
    unit = graph.node("Div", features, graph.node("Max", length, graph.constant("smallest", SMALLEST_LENGTH)))
    offset = graph.node("Sub", unit, graph.constant("centre", statistics.centre))
    directions = graph.constant("directions", statistics.directions)
    projected = graph.node("MatMul", offset, directions)
    # Not the difference of two squares: nearly all of them would be the same.
    outside = graph.node("Sub", offset, graph.node("Gemm", projected, directions, transB=1))
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
    rest = graph.node("ReduceSumSquare", outside, graph.axis, keepdims=0)
    distance = graph.node(
        "Add",
        graph.node("Add", nearest, inside),
        graph.node("Mul", rest, graph.constant("rest", statistics.rest)),
    )
    score = graph.node("Mul", distance, graph.constant("per_dimension", 1 / width))
    if statistics.entropy_weight:
        weighted = graph.node(
            "Mul", _entropy(graph, _activation(model).input[0]), graph.constant("weight", statistics.entropy_weight)
        )
        score = graph.node("Add", score, weighted)
    graph.nodes[-1].output[0] = "ood"

    model.graph.node.extend(graph.nodes)
    model.graph.initializer.extend(graph.constants)
    batch = model.graph.input[0].type.tensor_type.shape.dim[0].dim_param or "N"
    model.graph.output.append(helper.make_tensor_value_info("ood", TensorProto.FLOAT, [batch]))
    changed: bytes = model.SerializeToString(deterministic=True)
    return changed


def _entropy(graph: _Builder, logits: str) -> str:
    """Add the entropy at a higher temperature; returns its name, [N]."""
    cooled = graph.node("Div", logits, graph.constant("temperature", TEMPERATURE))
    logs = graph.node("LogSoftmax", cooled, axis=1)
    terms = graph.node("Mul", graph.node("Exp", logs), logs)
    return graph.node("Neg", graph.node("ReduceSum", terms, graph.axis, keepdims=0))


def _activation(model: onnx.ModelProto) -> onnx.NodeProto:
    """The node that makes the probabilities; raises NoScore if it is none that is known."""
    node: onnx.NodeProto
    for node in model.graph.node:
        if "probabilities" in node.output and node.op_type in _ACTIVATIONS:
            return node
    raise NoScore("its probabilities are neither a softmax nor a sigmoid")


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
        name = next((each for each in node.input if each not in weights), "")
    raise NoScore("its last layer is not a linear one with constant weights")


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

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"{_PREFIX}{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name
