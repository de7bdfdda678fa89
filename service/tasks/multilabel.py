"""Any number of labels for each image: the classes that reach their threshold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np

from service.prediction import FloatArray, Label, Prediction, Ranking
from service.tasks.shapes import CommonResponse, LabelResponse, doubts, label_response


class MultilabelResponse(CommonResponse):
    """The prediction of a model with any number of labels for each image."""

    labels: Annotated[
        list[LabelResponse], {"description": "those that reach their threshold; none if the model abstains"}
    ]


class Multilabel:
    """The methods are those of `Classification`."""

    def candidates(self, ranked: Ranking, thresholds: Sequence[float]) -> tuple[Label, ...]:
        """Return the classes that reach their threshold, most probable first."""
        return ranked.at_least(thresholds)

    def certainty(self, probabilities: FloatArray, thresholds: Sequence[float]) -> FloatArray:
        """Return how certain predictions are: the smallest probability of a class to be decided rightly.

        That is p for a class that is a label, and 1 - p for one that is not: [..., K] -> [...].
        """
        reached = probabilities >= np.asarray(thresholds)
        return np.asarray(np.where(reached, probabilities, 1 - probabilities).min(axis=-1))

    def response(self, prediction: Prediction, common: CommonResponse) -> MultilabelResponse:
        """Build the JSON object of a prediction."""
        return {
            "labels": [label_response(label) for label in prediction.labels],
            **doubts(prediction),
            **common,
        }
