"""One label for each image: the most probable class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np

from service.prediction import FloatArray, Label, Prediction, Ranking
from service.tasks.shapes import CommonResponse, Probability, doubts


class ClassificationResponse(CommonResponse):
    """The prediction of a model with one label for each image."""

    label: Annotated[str | None, {"description": "the most probable class; null if the model abstains"}]
    probability: Annotated[Probability, {"description": "of the most probable class"}]
    index: int


class Classification:
    """The methods are those of `Multilabel`."""

    def candidates(self, ranked: Ranking, _thresholds: Sequence[float]) -> tuple[Label, ...]:
        """Return the most probable class."""
        return ranked[:1]

    def certainty(self, probabilities: FloatArray, _thresholds: Sequence[float]) -> FloatArray:
        """Return how certain predictions are, the largest probability of each: [..., K] -> [...]."""
        return np.asarray(probabilities.max(axis=-1))

    def response(self, prediction: Prediction, common: CommonResponse) -> ClassificationResponse:
        """Build the JSON object of a prediction."""
        best = prediction.best
        label = prediction.labels[0].label if prediction.labels else None
        return {"label": label, **doubts(prediction), "probability": best.probability, "index": best.index, **common}
