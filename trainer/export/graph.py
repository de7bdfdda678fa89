"""Torch -> ONNX: uint8 pixels to probabilities, and the last feature map if the backbone ends in average pooling."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from service.pixels import UInt8Array
from trainer.export.onnx_graph import fold_std
from trainer.model import Classifier
from trainer.training.calibration import Calibration


class CalibratedClassifier(nn.Module):
    """What model.onnx computes: a classifier with its temperature and its softmax or sigmoid.

    Args:
        classifier: float32 pixels -> logits.
        calibration: Gives the task and the temperature.
        feature_layer: The module whose output is the second output; None for probabilities alone.
    """

    def __init__(self, classifier: Classifier, *, calibration: Calibration, feature_layer: nn.Module | None) -> None:
        super().__init__()
        self.classifier = classifier
        self._multilabel = calibration.task == "multilabel"
        self._temperature = calibration.temperature
        self._features = feature_layer  # the names of its weights in model.onnx start with the name of this attribute

    @property
    def output_names(self) -> list[str]:
        """Names of what `forward` returns, in order."""
        return ["probabilities"] if self._features is None else ["probabilities", "features"]

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """uint8 [N, H, W, 3] -> probabilities float32 [N, K], and features float32 [N, C, h, w] if there is a layer."""
        pixels = image.permute(0, 3, 1, 2).float()
        if self._features is None:
            return self._activate(self.classifier(pixels))
        with _outputs_of(self._features) as outputs:
            probabilities = self._activate(self.classifier(pixels))
        return probabilities, outputs[-1]

    @torch.inference_mode()
    def probabilities(self, images: UInt8Array) -> npt.NDArray[np.float32]:
        """Probabilities of decoded images in eval mode: uint8 [N, H, W, 3] -> float32 [N, K]."""
        self.eval()
        output = self(torch.from_numpy(images))
        probabilities: Tensor = output[0] if isinstance(output, tuple) else output
        return probabilities.numpy()

    def _activate(self, logits: Tensor) -> Tensor:
        logits = logits / self._temperature if self._temperature != 1 else logits
        return torch.sigmoid(logits) if self._multilabel else torch.softmax(logits, dim=1)


@contextmanager
def _outputs_of(module: nn.Module) -> Iterator[list[Tensor]]:
    """Collect what a module returns while the context is open."""
    outputs: list[Tensor] = []
    handle = module.register_forward_hook(lambda _module, _inputs, output: outputs.append(output))
    try:
        yield outputs
    finally:
        handle.remove()


@torch.no_grad()
def find_feature_layer(classifier: Classifier, *, size: int) -> nn.Module | None:
    """Find the module whose output is the last feature map before plain average pooling.

    It is found by what it computes, not by its name: the mean of its output over height and width is the embedding that
    the head gets. So the product of a class's weights in the head with this map is the exact class activation map
    (Zhou et al. 2016, arXiv:1512.04150).

    Args:
        classifier: Is set to eval mode.
        size: Side of its input in pixels.

    Returns:
        A module of the backbone, or None if the backbone has no such map.
    """
    classifier.eval()
    pixels = 255 * torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    maps: list[tuple[nn.Module, Tensor]] = []

    def keep_map(module: nn.Module, _inputs: object, output: object) -> None:
        if isinstance(output, Tensor) and output.ndim == 4 and output.shape[2] * output.shape[3] > 1:
            maps.append((module, output.clone()))  # a later module may change it in place

    handles = [module.register_forward_hook(keep_map) for module in classifier.body.modules()]
    try:
        embedding = classifier.embed(pixels)
    finally:
        for handle in handles:
            handle.remove()
    for module, output in reversed(maps):
        mean = output.mean((2, 3))
        if mean.shape == embedding.shape and torch.allclose(mean, embedding, rtol=1e-4, atol=1e-5):
            return module
    return None


def to_onnx(model: CalibratedClassifier, *, size: int) -> bytes:
    """Export to one self-contained ONNX file.

    Args:
        model: Is set to eval mode.
        size: Side of its input in pixels.

    Returns:
        The bytes of the file. Its batch size is dynamic, and it has no metadata and no doc strings.
    """
    model.eval()
    # Two images: with one, the exporter would take the batch size for a constant.
    example = torch.zeros(2, size, size, 3, dtype=torch.uint8)
    with _silence_exporter(), _plain_pooling(model):
        program = torch.onnx.export(
            model,
            (example,),
            input_names=["image"],
            output_names=model.output_names,
            dynamic_shapes={"image": {0: torch.export.Dim("N", min=1)}},
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        assert program is not None  # it never is with dynamo=True
        proto = program.model_proto
    fold_std(proto)
    strip_metadata(proto)
    onnx_bytes: bytes = proto.SerializeToString(deterministic=True)
    return onnx_bytes


def strip_metadata(message: Any) -> None:
    """Remove metadata and doc strings from an ONNX model, and from every message inside it, in place.

    Torch's exporter writes the stack trace of each node into them, with absolute paths of the user's machine.
    onnxruntime does not need them to run a model. (onnx_ir's ClearMetadataAndDocStringPass leaves those of the model,
    of its inputs, outputs and values, and of its weights.)

    Args:
        message: An `onnx.ModelProto` or any message inside one.
    """
    for name in ("doc_string", "metadata_props"):
        if name in message.DESCRIPTOR.fields_by_name:
            message.ClearField(name)
    for field, value in message.ListFields():
        if field.message_type is not None:
            for each in [value] if hasattr(value, "ListFields") else value:  # one message, or a list of them
                strip_metadata(each)


@contextmanager
def _plain_pooling(model: nn.Module) -> Iterator[None]:
    """Let average pooling to one pixel be a mean, which torch's exporter would surround with twelve more nodes."""
    pools = [
        module
        for module in model.modules()
        if isinstance(module, nn.AdaptiveAvgPool2d) and module.output_size in (1, (1, 1))
    ]
    for pool in pools:
        pool.forward = lambda maps: maps.mean((2, 3), keepdim=True)  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        for pool in pools:
            del pool.forward


@contextmanager
def _silence_exporter() -> Iterator[None]:
    """Hide what torch's exporter and onnxscript warn of themselves; the parity check looks at what matters."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
