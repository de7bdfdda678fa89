"""Models of other programs: ONNX classifiers of colours, and their names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CLASSES = ("blue", "green", "red")
# Of a channel order R, G, B: how much each channel speaks for blue, green and red.
_WEIGHTS = np.array([[0, 0, 6], [0, 6, 0], [6, 0, 0]], dtype=np.float32)


def write_classes(path: Path, classes: tuple[str, ...] = CLASSES) -> Path:
    path.write_text("".join(f"{name}\n" for name in classes), encoding="utf-8")
    return path


def write_onnx(
    path: Path,
    *,
    layout: str = "nchw",
    activation: str = "",
    batch: int | str = "N",
    size: int | str = 32,
    input_name: str = "image",
    opset: int = 17,
    **changes: Any,
) -> Path:
    """Write a classifier of colours: the mean of each channel, a linear layer, and perhaps Softmax or Sigmoid.

    activation  name of the last node
    changes     attributes of the model that are replaced, such as its `producer_name`
    """
    planes = [batch, 3, size, size] if layout == "nchw" else [batch, size, size, 3]
    nodes = []
    if layout == "nhwc":
        nodes.append(helper.make_node("Transpose", [input_name], ["planes"], perm=[0, 3, 1, 2]))
    nodes += [
        helper.make_node("GlobalAveragePool", ["planes" if nodes else input_name], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weights"], ["logits" if activation else "probabilities"], transB=1),
    ]
    if activation:
        nodes.append(helper.make_node(activation, ["logits"], ["probabilities"]))
    graph = helper.make_graph(
        nodes,
        "colours",
        [helper.make_tensor_value_info(input_name, TensorProto.FLOAT, planes)],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [batch, 3])],
        [numpy_helper.from_array(_WEIGHTS, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8, **changes)
    path.write_bytes(model.SerializeToString())
    return path


def with_external_data(path: Path) -> Path:
    """The same model with its weights in another file."""
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, size_threshold=0, location=f"{path.name}.data")
    return path
