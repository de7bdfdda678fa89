"""What a prediction looks like as JSON, over HTTP and on the command line."""

from __future__ import annotations

import math
from typing import Annotated, TypedDict

import numpy as np

from service.prediction import Heatmap, Prediction
from service.predictor import Predictor
from service.tasks import TASKS
from service.tasks.classification import ClassificationResponse
from service.tasks.multilabel import MultilabelResponse
from service.tasks.shapes import CommonResponse, HeatmapResponse, label_response


class AnalyzeResponse(TypedDict):
    """The response of the fast.ai starter app."""

    result: Annotated[str, {"description": "the label; several are joined with ', '; empty if there is none"}]


PredictionResponse = ClassificationResponse | MultilabelResponse


def prediction_response(
    prediction: Prediction, predictor: Predictor, *, top_k: int, total_ms: float
) -> PredictionResponse:
    """Build the JSON object of /v1/predict.

    Args:
        prediction: The prediction.
        predictor: The predictor that made it.
        top_k: How many classes to list, at least 1; if the model has fewer, all of them.
        total_ms: Wall time from the complete request to its response.

    Raises:
        ValueError: If a number of the prediction is not finite.
    """
    check_finite(prediction)
    picture = prediction.picture
    common: CommonResponse = {
        "predictions": [label_response(label) for label in prediction.ranked[:top_k]],
        "image": {"format": picture.format, "width": picture.width, "height": picture.height},
        "model": {"name": predictor.name, "version": predictor.version, "digest": predictor.digest},
        "timing_ms": {
            "decode": round(prediction.decode_ms, 3),
            "infer": round(prediction.infer_ms, 3),
            "total": round(total_ms, 3),
        },
    }
    if prediction.heatmap is not None:
        common["heatmap"] = _heatmap(prediction.heatmap)
    return TASKS[predictor.spec.task].response(prediction, common)


def analyze_response(prediction: Prediction) -> AnalyzeResponse:
    """Build the JSON object of /analyze, `{"result": label}`.

    Several labels are joined with ", ". If there is no label, the result is the empty string: the clients of this route
    expect a string, and no class has that name.

    Raises:
        ValueError: If a probability is not a finite number.
    """
    check_finite(prediction)
    return {"result": ", ".join(label.label for label in prediction.labels)}


def check_finite(prediction: Prediction) -> None:
    """Raise ValueError if a probability, or how strange the image is, is not a finite number."""
    if not np.isfinite(prediction.probabilities).all():
        raise ValueError("the model gave a probability that is not a finite number")
    if prediction.ood is not None and not math.isfinite(prediction.ood):
        raise ValueError("the model gave an ood that is not a finite number")


def _heatmap(heatmap: Heatmap) -> HeatmapResponse:
    return {
        "index": heatmap.index,
        "values": [[round(value, 4) for value in row] for row in heatmap.values.tolist()],
        "box": [round(side, 2) for side in heatmap.box],
    }
