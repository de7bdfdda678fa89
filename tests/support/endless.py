"""A bundle whose model never finishes for an all-white image: a real inference that hangs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.support.bundles import make_files, make_image, write_tiny_bundle

WHITE = make_image("white", shade=1.0)


def write_endless_bundle(path: Path, *, never_loads: bool = False) -> Path:
    """Like `write_tiny_bundle`, with a loop before the activation: a trillion rounds for white, none for others.

    never_loads  whether a golden image is white
    """
    model = onnx.load_model_from_string(make_files()["model.onnx"])
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["go_on"]), helper.make_node("Identity", ["carried"], ["carried_on"])],
        "round",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("carried", TensorProto.FLOAT, ["N", 3]),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("carried_on", TensorProto.FLOAT, ["N", 3]),
        ],
    )
    activation = model.graph.node.pop()
    activation.input[0] = "looped"
    model.graph.node.extend(
        [
            helper.make_node("ReduceMin", ["float"], ["darkest"], keepdims=0),
            helper.make_node("Greater", ["darkest", "nearly_white"], ["is_white"]),
            helper.make_node("Cast", ["is_white"], ["white"], to=TensorProto.INT64),
            helper.make_node("Mul", ["white", "trillion"], ["rounds"]),
            helper.make_node("Loop", ["rounds", "", "logits"], ["looped"], body=body),
            activation,
        ]
    )
    model.graph.initializer.extend(
        [
            numpy_helper.from_array(np.array(254.5, dtype=np.float32), "nearly_white"),
            numpy_helper.from_array(np.array(10**12, dtype=np.int64), "trillion"),
        ]
    )
    golden = {"golden/0.jpeg": WHITE} if never_loads else {}
    return write_tiny_bundle(path, replace={"model.onnx": model.SerializeToString(), **golden})
