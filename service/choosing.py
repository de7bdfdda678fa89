"""Which model file of a bundle runs here: model.onnx, or model.int8.onnx if this processor is faster with it.

Whoever made the bundle has found both as accurate. Processors differ in how fast they are with 8-bit integers, and some
round them so differently that the golden images do not agree: then model.onnx runs, and says why.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from service.bundle import FP32, INT8, Bundle, BundleRefused
from service.pixels import Limits, Picture, UInt8Array
from service.predictor import Predictor, decode_golden

MIN_SPEEDUP = 1.2
# Pairs of runs, one with each file: as many as fit into the time, within these bounds.
_MIN_PAIRS, _MAX_PAIRS, _COMPARISON_S = 3, 31, 0.06

AnyPredictor = TypeVar("AnyPredictor", bound=Predictor)


def choose_predictor(
    bundle: Bundle, *, model: str, kind: type[AnyPredictor], limits: Limits | None = None, abstain: bool = True
) -> AnyPredictor:
    """Load the model file that runs here, and check it with the golden images.

    Args:
        bundle: The bundle.
        model: `fp32`, `int8`, or `auto`: the 8-bit one if it agrees here and is at least `MIN_SPEEDUP` times as fast.
        kind: The class of the predictor.
        limits: Limits on the size of images; by default those of the bundle.
        abstain: Whether it may abstain.

    Returns:
        The predictor; its `model_reason` says why this file.

    Raises:
        BundleRefused: The bundle is bad, or the 8-bit file was asked for by name and cannot be used.
        ValueError: `model` is something else.
    """
    if model not in ("auto", "fp32", "int8"):
        raise ValueError(f"model is {model!r}; it must be one of auto, fp32, int8")
    pictures = decode_golden(bundle)

    def load(model_file: str, reason: str) -> AnyPredictor:
        return kind(
            bundle, model_file=model_file, limits=limits, pictures=pictures, model_reason=reason, abstain=abstain
        )

    if model == "int8":
        try:
            return load(INT8, "it was asked for")
        except BundleRefused as error:
            raise BundleRefused(f"{INT8} was asked for and cannot be used: {error}; choose auto or fp32") from error
    if model == "fp32":
        return load(FP32, "it was asked for")
    fp32 = load(FP32, f"the bundle has no {INT8}")
    if INT8 not in bundle.models and INT8 not in bundle.left_aside:
        return fp32
    try:
        int8 = load(INT8, "")
    except BundleRefused as error:
        fp32.model_reason = f"{INT8} cannot be used here: {error}"
        return fp32
    speedup = _speedup(fp32, int8, pictures)
    if speedup < MIN_SPEEDUP:
        fp32.model_reason = f"{INT8} is {speedup:.2g} times as fast here, and must be {MIN_SPEEDUP:g} times"
        return fp32
    int8.model_reason = f"it is {speedup:.2g} times as fast here as {FP32}"
    return int8


def _speedup(fp32: Predictor, int8: Predictor, pictures: Sequence[Picture]) -> float:
    """How many times as fast the second one is: the median of pairs of runs, so that other load hits both."""
    ratios: list[float] = []
    start = time.perf_counter()
    while len(ratios) < _MIN_PAIRS or (len(ratios) < _MAX_PAIRS and time.perf_counter() - start < _COMPARISON_S):
        batch = pictures[len(ratios) % len(pictures)].pixels[np.newaxis]
        ratios.append(_seconds(fp32, batch) / _seconds(int8, batch))
    return statistics.median(ratios)


def _seconds(predictor: Predictor, batch: UInt8Array) -> float:
    start = time.perf_counter()
    predictor.probabilities(batch)
    return time.perf_counter() - start
