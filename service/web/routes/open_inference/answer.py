"""Prediction -> the bytes of an inference answer."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence

import numpy as np

from service.predictor import Prediction, Predictor
from service.web.routes.answers import check
from service.web.routes.open_inference.request import InferRequest, Wanted
from service.web.routes.open_inference.tensors import LABELS, AnswerOutput, InferAnswer


def encode_answer(prediction: Prediction, request: InferRequest, predictor: Predictor) -> tuple[bytes, int | None]:
    """(body, length of its JSON where tensors follow it).

    Raises ValueError where the model gave a probability that is no number.
    """
    check(prediction)
    outputs, tensors = [], []
    for wanted in request.outputs:
        output = _output(wanted, prediction)
        if wanted.binary:
            tensors.append(_encode(output.pop("data")))
            output["parameters"] = {"binary_data_size": len(tensors[-1])}
        outputs.append(output)
    answer: InferAnswer = {"model_name": predictor.name, "model_version": predictor.version, "outputs": outputs}
    if request.id is not None:
        answer["id"] = request.id
    head = json.dumps(answer, allow_nan=False).encode()
    return b"".join([head, *tensors]), len(head) if tensors else None


def _output(wanted: Wanted, prediction: Prediction) -> AnswerOutput:
    if wanted.classes:
        best = prediction.ranked[: wanted.classes]
        texts = [f"{label.probability:f}:{label.index}:{label.label}" for label in best]
        return {"name": wanted.name, "datatype": "BYTES", "shape": [len(texts)], "data": texts}
    if wanted.name == LABELS:
        names = [label.label for label in prediction.labels]
        return {"name": wanted.name, "datatype": "BYTES", "shape": [len(names)], "data": names}
    numbers: list[float] = prediction.probabilities.tolist()
    return {"name": wanted.name, "datatype": "FP32", "shape": [len(numbers)], "data": numbers}


def _encode(data: Sequence[str] | Sequence[float]) -> bytes:
    texts = [item.encode() for item in data if isinstance(item, str)]
    if texts or not data:
        return b"".join(struct.pack("<I", len(text)) + text for text in texts)
    return np.asarray(data, dtype="<f4").tobytes()
