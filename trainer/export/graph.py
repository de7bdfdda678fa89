"""Torch -> ONNX: uint8 pixels in, probabilities out, and the last feature map where pooling is plain averaging."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from service.bundle.spec import Spec
from trainer.model import Classifier


class Served(nn.Module):
    """What the ONNX file computes: a classifier between uint8 images and probabilities."""

    def __init__(self, classifier: Classifier, *, spec: Spec, features: nn.Module | None) -> None:
        super().__init__()
        self.classifier = classifier
        self._multilabel = spec.task == "multilabel"
        self._temperature = spec.temperature
        self._features = features

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """uint8 [N, H, W, 3] -> probabilities float32 [N, K] (and features float32 [N, C, h, w])."""
        pixels = image.permute(0, 3, 1, 2).float()
        if self._features is None:
            return self._activate(self.classifier(pixels))
        with outputs_of(self._features) as seen:
            probabilities = self._activate(self.classifier(pixels))
        return probabilities, seen[-1]

    def _activate(self, logits: Tensor) -> Tensor:
        logits = logits / self._temperature if self._temperature != 1 else logits
        return torch.sigmoid(logits) if self._multilabel else torch.softmax(logits, dim=1)


@contextmanager
def outputs_of(module: nn.Module) -> Iterator[list[Tensor]]:
    """Gather what a module returns while the context is open."""
    seen: list[Tensor] = []
    handle = module.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    try:
        yield seen
    finally:
        handle.remove()


@torch.no_grad()
def find_features(classifier: Classifier, *, size: int) -> nn.Module | None:
    """The module whose output is the last map before plain average pooling, or None where there is no such map.

    Found by what it computes, not by its name: its mean over height and width must be the very embedding that the head
    sees. Then head.weight . features is the exact class activation map.
    """
    classifier.eval()
    pixels = 255 * torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    calls: list[tuple[nn.Module, Tensor]] = []
    handles = [
        module.register_forward_hook(
            lambda module, _inputs, output: calls.append((module, output.clone())) if _is_map(output) else None
        )
        for module in classifier.body.modules()
    ]
    try:
        embedding = classifier.embed(pixels)
    finally:
        for handle in handles:
            handle.remove()
    for module, output in reversed(calls):
        mean = output.mean((2, 3))
        if mean.shape == embedding.shape and torch.allclose(mean, embedding, rtol=1e-4, atol=1e-5):
            return module
    return None


def _is_map(output: object) -> bool:
    return isinstance(output, Tensor) and output.ndim == 4 and output.shape[2] * output.shape[3] > 1


def to_onnx(served: Served, *, size: int) -> bytes:
    """The bytes of one self-contained ONNX file, N dynamic."""
    served.eval()
    # Two images: with one, the exporter takes the batch size for a constant.
    example = torch.zeros(2, size, size, 3, dtype=torch.uint8)
    outputs = ["probabilities"] if served._features is None else ["probabilities", "features"]
    with _quiet():
        program = torch.onnx.export(
            served,
            (example,),
            input_names=["image"],
            output_names=outputs,
            dynamic_shapes={"image": {0: torch.export.Dim("N", min=1)}},
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        assert program is not None  # with dynamo=True there always is one
        model: bytes = program.model_proto.SerializeToString(deterministic=True)
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """Torch's exporter and onnxscript warn of their own inner workings; what counts is checked by the gate."""
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
