"""Encodes a prediction as an inference response."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence

import numpy as np

from service.prediction import Prediction
from service.predictor import Predictor
from service.responses import check_finite
from service.web.routes.open_inference.request import ParsedRequest, RequestedOutput
from service.web.routes.open_inference.tensors import LABELS, InferenceResponse, OutputResponse


def encode_response(prediction: Prediction, request: ParsedRequest, predictor: Predictor) -> tuple[bytes, int | None]:
    """Encode the body of a response.

    Returns:
        The body, and the length of its JSON if tensors follow it (else None).

    Raises:
        ValueError: If a probability is not a finite number.
    """
    check_finite(prediction)
    outputs, tensors = [], []
    for requested in request.outputs:
        output = _output(requested, prediction)
        if requested.binary:
            tensors.append(_encode(output.pop("data")))
            output["parameters"] = {"binary_data_size": len(tensors[-1])}
        outputs.append(output)
    response: InferenceResponse = {
        "model_name": predictor.name,
        "model_version": predictor.version,
        "outputs": outputs,
    }
    if request.id is not None:
        response["id"] = request.id
    head = json.dumps(response, allow_nan=False).encode()
    return b"".join([head, *tensors]), len(head) if tensors else None


def _output(requested: RequestedOutput, prediction: Prediction) -> OutputResponse:
    if requested.class_count:
        best = prediction.ranked[: requested.class_count]
        texts = [f"{label.probability:f}:{label.index}:{label.label}" for label in best]
        return {"name": requested.name, "datatype": "BYTES", "shape": [len(texts)], "data": texts}
    if requested.name == LABELS:
        names = [""] if prediction.abstained else [label.label for label in prediction.labels]
        return {"name": requested.name, "datatype": "BYTES", "shape": [len(names)], "data": names}
    numbers: list[float] = prediction.probabilities.tolist()
    return {"name": requested.name, "datatype": "FP32", "shape": [len(numbers)], "data": numbers}


def _encode(data: Sequence[str] | Sequence[float]) -> bytes:
    """Encode BYTES as elements that follow their lengths, FP32 as little-endian numbers."""
    texts = [item.encode() for item in data if isinstance(item, str)]
    if texts or not data:
        return b"".join(struct.pack("<I", len(text)) + text for text in texts)
    return np.asarray(data, dtype="<f4").tobytes()
