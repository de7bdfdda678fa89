"""Changes to an exported ONNX graph that leave what it computes as it is, and make it faster.

`fold_std` is for every graph. `take_bytes` and `widen_stem` are for a graph that is quantized next: in one of floats
they gain nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

FloatArray = npt.NDArray[np.float32]

_IMAGE = "image"
_STEM_SIDE = 3
_STEM_STRIDE = 2
_WIDE = 4  # pixels that are one; 12 channels, a multiple of 4, as onnxruntime's quantized convolution wants them
_ELEMENTWISE = ("Clip", "Relu")


class Graph:
    """An ONNX graph, with what is needed to change it in place.

    Attributes:
        model: The model, which is changed.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        self._weights = {tensor.name: tensor for tensor in model.graph.initializer}

    @property
    def nodes(self) -> Sequence[onnx.NodeProto]:
        """All nodes, in the order in which they are computed."""
        return list(self.model.graph.node)

    def weight(self, name: str) -> FloatArray | None:
        """Return a constant; None if the name is not that of one."""
        tensor = self._weights.get(name)
        return None if tensor is None else np.asarray(numpy_helper.to_array(tensor))

    def add_weight(self, name: str, value: npt.NDArray[np.generic]) -> str:
        """Add a constant, or replace the one of this name."""
        tensor = numpy_helper.from_array(np.ascontiguousarray(value), name)
        if name in self._weights:
            self._weights[name].CopyFrom(tensor)
        else:
            self.model.graph.initializer.append(tensor)
            self._weights[name] = self.model.graph.initializer[-1]
        return name

    def only_reader(self, name: str) -> onnx.NodeProto | None:
        """The node that reads a value; None if there are several, or if it is an output of the graph."""
        readers = [node for node in self.nodes if name in node.input]
        is_output = any(output.name == name for output in self.model.graph.output)
        return readers[0] if len(readers) == 1 and not is_output else None

    def replace(self, old: Sequence[onnx.NodeProto], new: Sequence[onnx.NodeProto]) -> None:
        """Put nodes in the place of the first of others."""
        nodes = self.nodes
        position = min(nodes.index(node) for node in old)
        left = [node for node in nodes if node not in old]
        del self.model.graph.node[:]
        self.model.graph.node.extend([*left[:position], *new, *left[position:]])

    def insert_after(self, node: onnx.NodeProto, new: Sequence[onnx.NodeProto]) -> None:
        """Put nodes after another one."""
        self.replace([node], [node, *new])

    def tidy(self) -> None:
        """Remove the constants that no node reads, and the shapes of values, which may have changed."""
        del self.model.graph.value_info[:]
        read = {name for node in self.nodes for name in node.input}
        for tensor in list(self.model.graph.initializer):
            if tensor.name not in read:
                self.model.graph.initializer.remove(tensor)
                del self._weights[tensor.name]


def fold_std(model: onnx.ModelProto) -> None:
    """Divide the weights of the first convolution by the standard deviations, and not the image. In place.

    Nothing is changed if the image does not go to one convolution. What is computed differs by rounding alone. The mean
    stays: a border of zeros is one of mean pixels only after it was subtracted.
    """
    graph = Graph(model)
    for node in graph.nodes:
        std = graph.weight(node.input[1]) if node.op_type == "Div" else None
        conv = graph.only_reader(node.output[0])
        if std is None or std.size != 3 or std.shape[1:2] != (3,) or conv is None or conv.op_type != "Conv":
            continue
        weight = graph.weight(conv.input[1])
        if weight is None or weight.shape[1] != 3:
            continue
        graph.add_weight(conv.input[1], weight / std.reshape(1, 3, 1, 1))
        conv.input[0] = node.input[0]
        graph.model.graph.node.remove(node)
        graph.tidy()
        return


def take_bytes(model: onnx.ModelProto) -> None:
    """Make the bytes of the image the quantized input of the first convolution. In place.

    The mean is not subtracted from floats: one whole number, the rounded mean of the channels, is the zero point, and
    what is left of the mean of each channel becomes part of the bias. At the border alone this differs from before: it
    has the zero point, and not the mean of each channel. Nothing is changed if the image does not go to one convolution
    after `fold_std`.
    """
    graph = Graph(model)
    for cast in graph.nodes:
        subtract = graph.only_reader(cast.output[0])
        conv = None if subtract is None else graph.only_reader(subtract.output[0])
        if cast.op_type != "Cast" or subtract is None or subtract.op_type != "Sub":
            continue
        if conv is None or conv.op_type != "Conv":
            continue
        mean, weight, bias = graph.weight(subtract.input[1]), graph.weight(conv.input[1]), _bias(graph, conv)
        if mean is None or mean.size not in (1, 3) or weight is None or bias is None:
            continue
        zero_point = round(float(mean.mean()))
        rest = np.broadcast_to(zero_point - mean.reshape(-1), 3)
        graph.add_weight(conv.input[2], (bias + (weight.sum((2, 3)) * rest).sum(1)).astype(np.float32))
        dequantize = helper.make_node(
            "DequantizeLinear",
            [
                cast.input[0],
                graph.add_weight("image_scale", np.array(1, dtype=np.float32)),
                graph.add_weight("image_zero_point", np.array(zero_point, dtype=np.uint8)),
            ],
            list(subtract.output),
            name="dequantize_image",
        )
        graph.replace([cast, subtract], [dequantize])
        graph.tidy()
        return


def widen_stem(model: onnx.ModelProto) -> None:
    """Compute a first convolution of 3 x 3 pixels and stride 2 on groups of four pixels beside each other. In place.

    Of 27 inputs to a sum, in runs of nine bytes, onnxruntime first makes a table, which takes three times as long as
    the sums. Four pixels are 12 channels of one, and two columns of the result twice its channels: so most weights are
    zero, but nothing is copied. The memory of the image and of the result is the same before and after.

    Nothing is changed after another stem, if the side of the image cannot be divided by four, or before `take_bytes`.
    """
    graph = Graph(model)
    side = graph.model.graph.input[0].type.tensor_type.shape.dim[2].dim_value
    transpose = graph.only_reader(_IMAGE)
    dequantize = None if transpose is None else graph.only_reader(transpose.output[0])
    conv = None if dequantize is None else graph.only_reader(dequantize.output[0])
    if transpose is None or dequantize is None or conv is None or side % _WIDE:
        return
    if [transpose.op_type, dequantize.op_type, conv.op_type] != ["Transpose", "DequantizeLinear", "Conv"]:
        return
    weight, bias = graph.weight(conv.input[1]), _bias(graph, conv)
    settings = {each.name: helper.get_attribute_value(each) for each in conv.attribute}
    top, left, bottom, right = settings.get("pads", [0] * 4)
    is_usual = (
        weight is not None
        and weight.shape[1:] == (3, _STEM_SIDE, _STEM_SIDE)
        and settings.get("strides") == [_STEM_STRIDE] * 2
        and settings.get("dilations", [1, 1]) == [1, 1]
        and settings.get("group", 1) == 1
        and (side + left + right - _STEM_SIDE) // _STEM_STRIDE + 1 == side // _STEM_STRIDE
    )
    if weight is None or bias is None or not is_usual:
        return
    columns = _WIDE // _STEM_STRIDE
    wide, first = _wide_weight(weight, left=left, columns=columns)
    conv.input[1] = graph.add_weight("wide_stem.weight", wide)
    conv.input[2] = graph.add_weight("wide_stem.bias", np.tile(bias, columns))
    del conv.attribute[:]
    conv.attribute.extend(
        helper.make_attribute(name, value)
        for name, value in {
            "kernel_shape": wide.shape[2:],
            "strides": [_STEM_STRIDE, 1],
            "pads": [top, -first, bottom, wide.shape[3] - 1 + first],
        }.items()
    )
    shape = graph.add_weight("wide_image_shape", np.array([0, side, side // _WIDE, 3 * _WIDE]))
    transpose.input[0] = "wide_image"
    reshape = helper.make_node("Reshape", [_IMAGE, shape], ["wide_image"], name="widen_image")
    graph.replace([transpose], [reshape, transpose])
    _narrow(graph, conv, channels=len(bias), side=side // _STEM_STRIDE)
    graph.tidy()


def _bias(graph: Graph, conv: onnx.NodeProto) -> FloatArray | None:
    """The bias of a convolution, which gets one of zeros if it has none; None if it is not a constant."""
    weight = graph.weight(conv.input[1])
    if len(conv.input) < 3 and weight is not None:
        conv.input.append(graph.add_weight(f"{conv.input[1]}.bias", np.zeros(len(weight), dtype=np.float32)))
    return graph.weight(conv.input[2]) if len(conv.input) > 2 else None


def _wide_weight(weight: FloatArray, *, left: int, columns: int) -> tuple[FloatArray, int]:
    """Weights on groups of pixels: [O, 3, k, k] -> [columns x O, 12, k, groups], and the first group, 0 or less."""
    taps = [
        (column, tap, *divmod(column * _STEM_STRIDE + tap - left, _WIDE))
        for column in range(columns)
        for tap in range(_STEM_SIDE)
    ]
    groups = [group for _, _, group, _ in taps]
    first = min(0, *groups)
    outputs = len(weight)
    wide = np.zeros((columns * outputs, 3 * _WIDE, _STEM_SIDE, max(groups) - first + 1), dtype=np.float32)
    for column, tap, group, pixel in taps:
        wide[column * outputs : (column + 1) * outputs, 3 * pixel : 3 * pixel + 3, :, group - first] = weight[..., tap]
    return wide, first


def _narrow(graph: Graph, conv: onnx.NodeProto, *, channels: int, side: int) -> None:
    """Give the result of a wide convolution the shape that it had, after its activation if there is one."""
    last = conv
    reader = graph.only_reader(conv.output[0])
    if reader is not None and reader.op_type in _ELEMENTWISE:
        last = reader
    name = last.output[0]
    last.output[0] = f"{name}.wide"
    shape = graph.add_weight("narrow_shape", np.array([0, side, side, channels]))
    graph.insert_after(
        last,
        [
            helper.make_node("Transpose", [last.output[0]], [f"{name}.rows"], perm=[0, 2, 3, 1], name="narrow_rows"),
            helper.make_node("Reshape", [f"{name}.rows", shape], [f"{name}.pixels"], name="narrow"),
            helper.make_node("Transpose", [f"{name}.pixels"], [name], perm=[0, 3, 1, 2], name="narrow_channels"),
        ],
    )
