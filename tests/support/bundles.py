"""Tiny valid bundles, made without the trainer: a model that classifies colours, with one convolution."""

from __future__ import annotations

import functools
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from service.bundle import GoldenImage, golden, write_bundle
from service.pixels import Limits, PixelSpec, load

COLOURS = ("red", "green", "blue")
TOLERANCE = 1e-4
# What a model file may say in spec.json of what it does not know. White is strange: its darkest colour is bright.
OOD = {"method": "darkest colour", "threshold": 0.5, "false_alarms": 0.01, "images": 296}
ABSTAIN = {
    "threshold": 1.0, "max_error": 0.02, "confidence": 0.95, "coverage": 0.83, "images": 296, "independent": False,
}  # fmt: skip
SET = {"level": 0.95, "quantile": 0.8, "images": 296}


def write_tiny_bundle(
    path: Path,
    *,
    name: str = "colours",
    version: str = "1",
    replace: Mapping[str, bytes] | None = None,
    **options: Any,
) -> Path:
    """Write a bundle (a folder, or a zip where `path` ends in .zip) of `make_files(**options)`; returns `path`.

    replace  files that take the place of the made ones, or stand beside them
    """
    write_bundle(
        path,
        {**make_files(**options), **(replace or {})},
        name=name,
        version=version,
        created="2026-11-20T12:00:00Z",
        producer={"fieldguide": "test"},
    )
    return path


def make_files(
    *,
    task: Literal["classification", "multilabel"] = "classification",
    classes: Sequence[str] = COLOURS,
    with_features: bool = True,
    with_int8: bool = False,
    thresholds: Sequence[float] = (),
    ood: Mapping[str, object] | None = None,
    abstain: Mapping[str, object] | None = None,
    label_set: Mapping[str, object] | None = None,
    pixels: PixelSpec | None = None,
    limits: Limits | None = None,
    card: str = "# A model for tests\n",
) -> dict[str, bytes]:
    """Every file of a bundle but the manifest's two: path -> bytes. The first three classes are red, green and blue.

    thresholds  only multilabel; default: 0.5 for every class
    ood         of every model file: what differs from `OOD`; default: they have no such output
    abstain     of every model file: what differs from `ABSTAIN`; default: they are always sure
    label_set   of every model file: what differs from `SET`; default: there are no sets
    pixels      default: 32 x 32 from a short side of 36, cropped; the model takes any size that 4 divides
    """
    pixels = pixels or PixelSpec(size=32, resize_short=36, mode="crop", filter="bilinear")
    head = make_head(len(classes))
    model = make_model(head, size=pixels.size, task=task, with_features=with_features, with_ood=ood is not None)
    models = {"model.onnx": model, **({"model.int8.onnx": model} if with_int8 else {})}
    images = make_golden_images(models, pixels)
    if not thresholds and task == "multilabel":
        thresholds = [0.5] * len(classes)
    spec = {
        "task": task,
        "classes": list(classes),
        "pixels": pixels.to_json(),
        "activation": "softmax" if task == "classification" else "sigmoid",
        "models": {
            name: {
                "temperature": 1.0,
                **({"thresholds": list(thresholds)} if thresholds else {}),
                **({"ood": {**OOD, **ood}} if ood is not None else {}),
                **({"abstain": {**ABSTAIN, **abstain}} if abstain is not None else {}),
                **({"set": {**SET, **label_set}} if label_set is not None else {}),
            }
            for name in models
        },
        "golden": "synthetic",
        "limits_of_use": ["It was made for tests."],
        "limits": (limits or Limits()).__dict__,
    }
    return {
        "spec.json": json.dumps(spec).encode(),
        **models,
        **({"head.npy": _npy(head)} if with_features else {}),
        "golden/golden.json": golden.encode(images),
        **{image.path: image.data for image in images},
        "metrics.json": metrics_json({"accuracy": 0.975, "images": 40}),
        "card.md": card.encode(),
    }


def metrics_json(metrics: Mapping[str, Any]) -> bytes:
    """metrics.json with these metrics for each model file."""
    return json.dumps({"models": {"model.onnx": metrics, "model.int8.onnx": metrics}}).encode()


def make_head(class_count: int) -> npt.NDArray[np.float32]:
    """float32 [K, 3]: how much red, green and blue speak for each class; rows after the third are random."""
    colours = 8 * np.eye(3) - 2
    others = np.random.default_rng(0).normal(scale=3, size=(max(0, class_count - 3), 3))
    return np.concatenate([colours, others])[:class_count].astype(np.float32)


@functools.cache
def _colour_filter() -> npt.NDArray[np.float32]:
    """float32 [3, 3, 4, 4]: each output channel is the mean of one colour over 4 x 4 pixels."""
    return (np.eye(3)[:, :, None, None] * np.full((4, 4), 1 / 16)).astype(np.float32)


def make_model(
    head: npt.NDArray[np.float32],
    *,
    size: int = 32,
    task: str = "classification",
    with_features: bool = True,
    with_ood: bool = False,
) -> bytes:
    """ONNX bytes with the signature of the bundle format; `ood` is the darkest colour of the image, 0 to 1."""
    class_count, channels = head.shape
    activation = (
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1)
        if task == "classification"
        else helper.make_node("Sigmoid", ["logits"], ["probabilities"])
    )
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["float", "scale"], ["scaled"]),
            helper.make_node("Transpose", ["scaled"], ["planes"], perm=[0, 3, 1, 2]),
            helper.make_node("Conv", ["planes", "filter"], ["features"], strides=[4, 4]),
            helper.make_node("GlobalAveragePool", ["features"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["flat"]),
            helper.make_node("Gemm", ["flat", "head"], ["logits"], transB=1),
            activation,
            *([helper.make_node("ReduceMin", ["flat"], ["ood"], axes=[1], keepdims=0)] if with_ood else []),
        ],
        "colours",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", size, size, 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", class_count])]
        + (
            [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", channels, size // 4, size // 4])]
            if with_features
            else []
        )
        + ([helper.make_tensor_value_info("ood", TensorProto.FLOAT, ["N"])] if with_ood else []),
        [
            numpy_helper.from_array(np.array(1 / 255, dtype=np.float32), "scale"),
            numpy_helper.from_array(_colour_filter(), "filter"),
            numpy_helper.from_array(head, "head"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString()
    return data


def make_golden_images(models: dict[str, bytes], pixels: PixelSpec) -> list[GoldenImage]:
    """Make a JPEG, a PNG and a WebP image, with the probabilities of onnxruntime."""
    images = []
    for number, kind in enumerate(("JPEG", "PNG", "WEBP")):
        data = make_image(COLOURS[number], size=(60 + 20 * number, 60), encoding=kind)
        array = load(data, pixels).pixels
        images.append(
            GoldenImage(
                path=f"golden/{number}.{kind.lower()}",
                data=data,
                pixels_sha256=hashlib.sha256(array.tobytes()).hexdigest(),
                probabilities={name: _run(model, array) for name, model in models.items()},
                tolerance=dict.fromkeys(models, TOLERANCE),
            )
        )
    return images


def make_image(
    colour: str = "red",
    *,
    size: tuple[int, int] = (80, 60),
    encoding: str = "PNG",
    orientation: int | None = None,
    shade: float = 0.75,
) -> bytes:
    """An encoded image of one colour, its left half with `shade` of the light; `size` is as stored, in pixels."""
    image = Image.new("RGB", size, colour)
    image.paste(image.crop((0, 0, size[0] // 2, size[1])).point(lambda value: int(value * shade)), (0, 0))
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    file = io.BytesIO()
    image.save(file, encoding, **({"exif": exif} if orientation is not None else {}))
    return file.getvalue()


def _run(model: bytes, array: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    result: npt.NDArray[np.float32] = session.run(["probabilities"], {"image": array[np.newaxis]})[0][0]
    return result


def _npy(array: npt.NDArray[np.float32]) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()
