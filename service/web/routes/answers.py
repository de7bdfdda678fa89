"""Prediction -> what is said of it, over HTTP and on the command line alike."""

from __future__ import annotations

from typing import Annotated, NotRequired, TypedDict

import numpy as np

from service.predictor import Heatmap, Prediction, Predictor
from service.ranking import Label

Probability = Annotated[float, {"minimum": 0, "maximum": 1}]


class LabelAnswer(TypedDict):
    """One class of an answer."""

    label: str
    index: Annotated[int, {"minimum": 0, "description": "place in the model's list of classes"}]
    probability: Probability


class ImageAnswer(TypedDict):
    """The image, upright, as its content says."""

    format: str
    width: int
    height: int


class ModelAnswer(TypedDict):
    """Which model it was."""

    name: str
    version: str
    digest: str


class TimingAnswer(TypedDict):
    """Wall time of the stages, milliseconds."""

    decode: float
    infer: float
    total: float


class HeatmapAnswer(TypedDict):
    """Where the best class was seen."""

    index: int
    values: Annotated[list[list[Probability]], {"description": "row 0 is the top; the most is 1"}]
    box: Annotated[list[float], {"description": "left, top, right, bottom in upright original pixels"}]


class _Answer(TypedDict):
    predictions: Annotated[list[LabelAnswer], {"description": "the best classes, most probable first"}]
    image: ImageAnswer
    model: ModelAnswer
    timing_ms: TimingAnswer
    heatmap: NotRequired[HeatmapAnswer]


class ClassificationAnswer(_Answer):
    """What a model with one label an image says."""

    label: Annotated[str | None, {"description": "null where the best probability is under the model's threshold"}]
    probability: Annotated[Probability, {"description": "of the best class, label or not"}]
    index: int


class MultilabelAnswer(_Answer):
    """What a model with any number of labels an image says."""

    labels: Annotated[list[LabelAnswer], {"description": "those that reach their threshold"}]


class ShortAnswer(TypedDict):
    """The answer of the fast.ai starter app."""

    result: Annotated[str, {"description": "the label; several joined with ', '; empty where there is none"}]


Answer = ClassificationAnswer | MultilabelAnswer


def full_answer(prediction: Prediction, predictor: Predictor, *, top_k: int, total_ms: float) -> Answer:
    """The JSON object of /v1/predict.

    top_k     how many classes to list, at least 1; more than there are lists all
    total_ms  wall time from the whole request to the answer

    Raises ValueError where the model gave a probability that is no number.
    """
    check(prediction)
    picture = prediction.picture
    common: _Answer = {
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


def short_answer(prediction: Prediction) -> ShortAnswer:
    """The JSON object of /analyze, `{"result": label}`.

    Several labels are joined with ", ". Where the model abstains (no label reaches its threshold) the result is
    the empty string: the clients of that answer expect a text, and no class has that name.

    Raises ValueError where the model gave a probability that is no number.
    """
    check(prediction)
    return {"result": ", ".join(label.label for label in prediction.labels)}


def check(prediction: Prediction) -> None:
    """Raises ValueError where the model gave a probability that is no number."""
    if not np.isfinite(prediction.probabilities).all():
        raise ValueError("the model gave a probability that is not a finite number")


def _label(label: Label) -> LabelAnswer:
    return {"label": label.label, "index": label.index, "probability": label.probability}


def _heatmap(heatmap: Heatmap) -> HeatmapAnswer:
    return {
        "index": heatmap.index,
        "values": [[round(value, 4) for value in row] for row in heatmap.values.tolist()],
        "box": [round(side, 2) for side in heatmap.box],
    }
