"""A classifier in ONNX that another program wrote, wrapped into the contract of a bundle: uint8 pixels in,
probabilities out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from onnx import TensorProto, compose, helper, numpy_helper

from service.bundle import BundleRefused, onnx_file
from service.bundle.manifest import MAX_BUNDLE_BYTES
from service.bundle.spec import Task
from service.pixels import UInt8Array
from trainer.errors import ImportModelError
from trainer.export.graph import strip_metadata
from trainer.training.tasks import TASKS

Layout = Literal["nchw", "nhwc"]
Outputs = Literal["logits", "probabilities"]
Triple = tuple[float, float, float]
Float32Array = npt.NDArray[np.float32]

_PREFIX = "network/"  # so that no name in it is one of ours
_MIN_OPSET = 9
_SMALLEST = 1e-30  # of a probability whose logarithm is taken


@dataclass(frozen=True, kw_only=True)
class OnnxInput:
    """What an ONNX classifier expects and gives, which its file does not say.

    Attributes:
        size: Side of its input, pixels.
        mean: Of the three channels, for pixel values in 0..1.
        std: Of the three channels, for pixel values in 0..1.
        layout: `nchw` or `nhwc`.
        outputs: `logits`, or `probabilities` if softmax or sigmoid is in it.
        task: `classification` or `multilabel`.
    """

    size: int
    mean: Triple
    std: Triple
    layout: Layout = "nchw"
    outputs: Outputs = "logits"
    task: Task = "classification"


class ForeignModel:
    """A classifier as it was written, run by onnxruntime; the wrapped one must predict the same."""

    def __init__(self, path: Path, given: OnnxInput, *, class_count: int) -> None:
        """Read and check the file.

        Args:
            path: Of the ONNX file.
            given: What it expects and gives.
            class_count: Number of classes, K.

        Raises:
            ImportModelError: It is too large, does not pass the checks of a bundle, or is not what `given` says.
            OSError: It cannot be read.
        """
        self.given = given
        self._path = path
        self.data = self._read()
        self._session = self._open()
        self._check_input()
        self._output = self._find_output(class_count)

    def logits(self, images: UInt8Array) -> npt.NDArray[np.float64]:
        """What it gives for decoded images, probabilities as logits: uint8 [N, H, W, 3] -> float64 [N, K]."""
        wide = self._run(images).astype(np.float64)
        if self.given.outputs == "logits":
            return wide
        return TASKS[self.given.task].logits_of(np.maximum(wide, _SMALLEST))

    def probabilities(self, images: UInt8Array) -> Float32Array:
        """Probabilities of decoded images: uint8 [N, H, W, 3] -> float32 [N, K]."""
        found = self._run(images)
        if self.given.outputs == "probabilities":
            return found
        return TASKS[self.given.task].activate(found.astype(np.float64)).astype(np.float32)

    def check_outputs(self, images: UInt8Array) -> None:
        """Check on some images that it gives what was said.

        Raises:
            ImportModelError: It gives values that are not finite, that are no probabilities, or that are some
                although logits were said.
        """
        found = self._run(images)
        if not np.isfinite(found).all():
            raise self._error("it gives values that are not finite; check `mean`, `std` and `layout`")
        in_range = bool((found >= 0).all() and (found <= 1).all())
        sums_to_one = bool(np.allclose(found.sum(axis=1), 1, atol=1e-3))
        is_softmax = in_range and sums_to_one and found.shape[1] > 1
        if self.given.outputs == "probabilities":
            if not in_range:
                raise self._error("it gives numbers beyond 0 to 1, which are no probabilities; give `outputs='logits'`")
            if self.given.task == "classification" and not is_softmax:
                raise self._error("its probabilities do not sum to 1; give `outputs='logits'` or `task='multilabel'`")
        elif self.given.task == "classification" and is_softmax:
            raise self._error("it gives probabilities: they sum to 1; give `outputs='probabilities'`")

    def wrapped(self) -> bytes:
        """The bytes of model.onnx: with pixels as they are decoded in, and probabilities out."""
        network = compose.add_prefix(onnx.load_from_string(self.data), _PREFIX)
        graph, given = network.graph, self.given
        channels_first = given.layout == "nchw"
        shape = (1, 3, 1, 1) if channels_first else (1, 1, 1, 3)
        nodes = [helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT)]
        if channels_first:
            nodes.append(helper.make_node("Transpose", ["pixels"], ["planes"], perm=[0, 3, 1, 2]))
        nodes += [
            helper.make_node("Sub", ["planes" if channels_first else "pixels", "mean"], ["centred"]),
            helper.make_node("Div", ["centred", "std"], [_PREFIX + self._session.get_inputs()[0].name]),
        ]
        weights = {"mean": 255 * np.array(given.mean).reshape(shape), "std": 255 * np.array(given.std).reshape(shape)}
        nodes += graph.node
        nodes += self._activation(_PREFIX + self._output, weights)
        initializers = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()]
        size, class_count = given.size, self._class_count
        changed = helper.make_graph(
            nodes,
            "classifier",
            [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", size, size, 3])],
            [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", class_count])],
            [*graph.initializer, *initializers],
            sparse_initializer=graph.sparse_initializer,
        )
        model = helper.make_model(
            changed,
            opset_imports=network.opset_import,
            functions=network.functions,
            ir_version=network.ir_version,
        )
        strip_metadata(model)
        data: bytes = model.SerializeToString(deterministic=True)
        return data

    def _activation(self, output: str, weights: dict[str, Any]) -> list[Any]:
        """The nodes after the network: softmax or sigmoid of its logits, also if it gives probabilities itself.

        So a temperature can be put before them.
        """
        softmax = self.given.task == "classification"
        last = helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1)
        if not softmax:
            last = helper.make_node("Sigmoid", ["logits"], ["probabilities"])
        if self.given.outputs == "logits":
            return [helper.make_node("Identity", [output], ["logits"]), last]
        weights["smallest"] = np.array(_SMALLEST)
        nodes = [helper.make_node("Max", [output, "smallest"], ["positive"])]
        if softmax:
            return [*nodes, helper.make_node("Log", ["positive"], ["logits"]), last]
        weights["one"] = np.array(1.0)
        return [
            *nodes,
            helper.make_node("Sub", ["one", output], ["rest"]),
            helper.make_node("Max", ["rest", "smallest"], ["positive_rest"]),
            helper.make_node("Div", ["positive", "positive_rest"], ["odds"]),
            helper.make_node("Log", ["odds"], ["logits"]),
            last,
        ]

    def _read(self) -> bytes:
        length = self._path.stat().st_size
        if length > MAX_BUNDLE_BYTES:
            raise self._error(f"it has {length:,} bytes; a bundle has at most {MAX_BUNDLE_BYTES:,}")
        data = self._path.read_bytes()
        try:
            onnx_file.check(data, self._path.name)
        except BundleRefused as error:
            reason = str(error).removeprefix(f"{self._path.name} ")
            advice = f"; save it as one file: onnx.save(onnx.load({self._path.name!r}), 'one.onnx')"
            raise self._error(f"it {reason}{advice if 'external data' in reason else ''}") from error
        return data

    def _open(self) -> ort.InferenceSession:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 4  # errors are raised
        try:
            opset = {entry.domain: entry.version for entry in onnx.load_from_string(self.data).opset_import}
            if opset.get("", opset.get("ai.onnx", 0)) < _MIN_OPSET:
                raise self._error(f"it needs at least opset {_MIN_OPSET}; export it again with opset 17")
            return ort.InferenceSession(self.data, options, providers=["CPUExecutionProvider"])
        except ImportModelError:
            raise
        except Exception as error:  # onnx's and onnxruntime's errors have no common base class
            raise self._error(f"onnxruntime does not accept it: {_one_line(error)}") from error

    def _check_input(self) -> None:
        inputs = self._session.get_inputs()
        if len(inputs) != 1:
            raise self._error(f"it has {len(inputs)} inputs, not one")
        kind, shape = inputs[0].type, inputs[0].shape
        if kind != "tensor(float)" or len(shape) != 4:
            raise self._error(f"its input is {kind} {shape}, not float32 with four dimensions")
        if isinstance(shape[0], int):
            raise self._error(f"its batch size is fixed to {shape[0]}; export it with a dynamic one")
        size = self.given.size
        expected = [3, size, size] if self.given.layout == "nchw" else [size, size, 3]
        if any(isinstance(found, int) and found != wanted for found, wanted in zip(shape[1:], expected, strict=True)):
            raise self._error(
                f"its input is {shape}, not [N, {', '.join(map(str, expected))}]; check `size` and `layout`"
            )

    def _find_output(self, class_count: int) -> str:
        """The name of the only output that has a number for each class; it is tried on a black image."""
        self._class_count = class_count
        size = self.given.size
        black = self._to_input(np.zeros((2, size, size, 3), dtype=np.uint8))
        names: list[str] = [output.name for output in self._session.get_outputs()]
        try:
            found = self._session.run(names, {self._session.get_inputs()[0].name: black})
        except Exception as error:  # onnxruntime's errors have no common base class
            raise self._error(f"it does not run on images of {size} pixels: {_one_line(error)}") from error
        shapes: dict[str, list[int]] = {
            name: [*getattr(value, "shape", ())] for name, value in zip(names, found, strict=True)
        }
        tables = {name: shape for name, shape in shapes.items() if len(shape) == 2 and shape[0] == len(black)}
        fitting = [name for name, shape in tables.items() if shape[1] == class_count]
        if not fitting and len(tables) == 1:
            ((_, shape),) = tables.items()
            raise self._error(
                f"it gives {shape[1]} classes, and {class_count} are named; name those of its training, in their order"
            )
        if len(fitting) != 1:
            listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
            raise self._error(f"it needs one output [N, {class_count}]; for two images it gives {listed}")
        return fitting[0]

    def _run(self, images: UInt8Array) -> Float32Array:
        (found,) = self._session.run([self._output], {self._session.get_inputs()[0].name: self._to_input(images)})
        result: Float32Array = found.astype(np.float32)
        return result

    def _to_input(self, images: UInt8Array) -> Float32Array:
        """uint8 [N, H, W, 3] -> what the network expects, as its own program computes it."""
        scaled = (images.astype(np.float32) / 255 - _as_float32(self.given.mean)) / _as_float32(self.given.std)
        return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2) if self.given.layout == "nchw" else scaled)

    def _error(self, reason: str) -> ImportModelError:
        return ImportModelError(f"{self._path} cannot be imported: {reason}")


def _as_float32(values: Triple) -> Float32Array:
    return np.array(values, dtype=np.float32)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
