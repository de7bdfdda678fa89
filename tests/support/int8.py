"""Tiny bundles whose model.int8.onnx is faster or slower than model.onnx for certain, and gives the same answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from service.bundle import FP32, INT8
from tests.support.bundles import make_files, write_tiny_bundle

_WIDTH, _STEPS = 512, 40


def write_fast_int8(path: Path, **options: Any) -> Path:
    """A bundle whose model.onnx takes much longer."""
    return _write(path, slow=FP32, **options)


def write_slow_int8(path: Path, **options: Any) -> Path:
    """A bundle whose model.int8.onnx takes much longer."""
    return _write(path, slow=INT8, **options)


def _write(path: Path, *, slow: str, replace: dict[str, bytes] | None = None, **options: Any) -> Path:
    model = slowed(make_files(**options)[FP32])
    return write_tiny_bundle(path, with_int8=True, replace={slow: model, **(replace or {})}, **options)


def slowed(data: bytes) -> bytes:
    """Add work to a model that changes nothing: many products of matrices, of which nothing is added to the logits."""
    model = onnx.load_from_string(data)
    nodes, weights = model.graph.node, model.graph.initializer
    (head,) = [node for node in nodes if node.op_type == "Gemm"]
    random = np.random.default_rng(0)
    arrays = {
        "work_in": random.normal(size=(3, _WIDTH)),
        "work": random.normal(size=(_WIDTH, _WIDTH)) / _WIDTH,
        "work_out": np.zeros((_WIDTH, model.graph.output[0].type.tensor_type.shape.dim[1].dim_value)),
    }
    weights.extend(numpy_helper.from_array(array.astype(np.float32), name) for name, array in arrays.items())
    names = ["work_in", *["work"] * _STEPS, "work_out"]
    added = [
        helper.make_node("MatMul", [f"worked_{at}" if at else head.input[0], name], [f"worked_{at + 1}"])
        for at, name in enumerate(names)
    ]
    added.append(helper.make_node("Add", ["plain_logits", f"worked_{len(names)}"], ["logits"]))
    head.output[0] = "plain_logits"
    place = list(nodes).index(head) + 1
    for at, node in enumerate(added):
        nodes.insert(place + at, node)
    onnx.checker.check_model(model)
    changed: bytes = model.SerializeToString()
    return changed
