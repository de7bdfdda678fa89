"""What a prediction looks like as JSON, over HTTP and on the command line."""

from __future__ import annotations

from typing import Annotated, NotRequired, TypedDict

import numpy as np

from service.predictor import Heatmap, Label, Prediction, Predictor

Probability = Annotated[float, {"minimum": 0, "maximum": 1}]


class LabelResponse(TypedDict):
    """One class and its probability."""

    label: str
    index: Annotated[int, {"minimum": 0, "description": "position in the model's list of classes"}]
    probability: Probability


class ImageResponse(TypedDict):
    """Format and upright size of the image, as its content says."""

    format: str
    width: int
    height: int


class ModelResponse(TypedDict):
    """The model that made the prediction."""

    name: str
    version: str
    digest: str


class TimingResponse(TypedDict):
    """Wall time of the stages, milliseconds."""

    decode: float
    infer: float
    total: float


class HeatmapResponse(TypedDict):
    """Where the model sees the best class."""

    index: int
    values: Annotated[list[list[Probability]], {"description": "row 0 is the top; the largest value is 1"}]
    box: Annotated[list[float], {"description": "left, top, right, bottom in upright original pixels"}]


class _PredictionResponse(TypedDict):
    predictions: Annotated[list[LabelResponse], {"description": "the best classes, most probable first"}]
    image: ImageResponse
    model: ModelResponse
    timing_ms: TimingResponse
    heatmap: NotRequired[HeatmapResponse]


class ClassificationResponse(_PredictionResponse):
    """The prediction of a model with one label for each image."""

    label: Annotated[str | None, {"description": "null if the best probability is under the model's threshold"}]
    probability: Annotated[Probability, {"description": "of the best class, under the threshold or not"}]
    index: int


class MultilabelResponse(_PredictionResponse):
    """The prediction of a model with any number of labels for each image."""

    labels: Annotated[list[LabelResponse], {"description": "those that reach their threshold"}]


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
        ValueError: If a probability is not a finite number.
    """
    check_finite(prediction)
    picture = prediction.picture
    common: _PredictionResponse = {
        "predictions": [_label(label) for label in prediction.ranked[:top_k]],
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
    if predictor.spec.task == "multilabel":
        return {"labels": [_label(label) for label in prediction.labels], **common}
    best = prediction.best
    label = prediction.labels[0].label if prediction.labels else None
    return {"label": label, "probability": best.probability, "index": best.index, **common}


def analyze_response(prediction: Prediction) -> AnalyzeResponse:
    """Build the JSON object of /analyze, `{"result": label}`.

    Several labels are joined with ", ". If no label reaches its threshold, the result is the empty string: the clients
    of this route expect a string, and no class has that name.

    Raises:
        ValueError: If a probability is not a finite number.
    """
    check_finite(prediction)
    return {"result": ", ".join(label.label for label in prediction.labels)}


def check_finite(prediction: Prediction) -> None:
    """Raise ValueError if a probability is not a finite number."""
    if not np.isfinite(prediction.probabilities).all():
        raise ValueError("the model gave a probability that is not a finite number")


def _label(label: Label) -> LabelResponse:
    return {"label": label.label, "index": label.index, "probability": label.probability}


def _heatmap(heatmap: Heatmap) -> HeatmapResponse:
    return {
        "index": heatmap.index,
        "values": [[round(value, 4) for value in row] for row in heatmap.values.tolist()],
        "box": [round(side, 2) for side in heatmap.box],
    }
