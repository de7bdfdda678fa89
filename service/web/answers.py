"""Prediction -> what is said of it, over HTTP and on the command line alike."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from service.predictor import Heatmap, Prediction, Predictor


def full_answer(prediction: Prediction, predictor: Predictor, *, top_k: int, total_ms: float) -> dict[str, Any]:
    """The JSON object of /v1/predict.

    top_k     how many classes to list, at least 1; more than there are lists all
    total_ms  wall time from the whole request to the answer

    Raises ValueError where the model gave a probability that is no number.
    """
    _check(prediction)
    answer: dict[str, Any] = {}
    if predictor.spec.task == "multilabel":
        answer["labels"] = [dataclasses.asdict(label) for label in prediction.labels]
    else:
        answer["label"] = prediction.labels[0].label if prediction.labels else None
        answer["probability"] = prediction.best.probability
        answer["index"] = prediction.best.index
    picture = prediction.picture
    answer |= {
        "predictions": [dataclasses.asdict(label) for label in prediction.ranked[:top_k]],
        "image": {"format": picture.format, "width": picture.width, "height": picture.height},
        "model": {"name": predictor.name, "version": predictor.version, "digest": predictor.digest},
        "timing_ms": {
            "decode": round(prediction.decode_ms, 3),
            "infer": round(prediction.infer_ms, 3),
            "total": round(total_ms, 3),
        },
    }
    if prediction.heatmap is not None:
        answer["heatmap"] = _heatmap(prediction.heatmap)
    return answer


def short_answer(prediction: Prediction) -> dict[str, str]:
    """The JSON object of /analyze, `{"result": label}`.

    Several labels are joined with ", ". Where the model abstains (no label reaches its threshold) the result is
    the empty string: the clients of that answer expect a text, and no class has that name.

    Raises ValueError where the model gave a probability that is no number.
    """
    _check(prediction)
    return {"result": ", ".join(label.label for label in prediction.labels)}


def _check(prediction: Prediction) -> None:
    if not all(math.isfinite(label.probability) for label in prediction.ranked):
        raise ValueError("the model gave a probability that is not a finite number")


def _heatmap(heatmap: Heatmap) -> dict[str, Any]:
    return {
        "index": heatmap.index,
        "values": [[round(value, 4) for value in row] for row in heatmap.values.tolist()],
        "box": [round(side, 2) for side in heatmap.box],
    }
