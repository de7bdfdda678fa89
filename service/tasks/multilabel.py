"""Any number of labels for each image: the classes that reach their threshold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from service.prediction import Label, Prediction, Ranking
from service.tasks.shapes import CommonResponse, LabelResponse, label_response


class MultilabelResponse(CommonResponse):
    """The prediction of a model with any number of labels for each image."""

    labels: Annotated[list[LabelResponse], {"description": "those that reach their threshold"}]


class Multilabel:
    """The methods are those of `Classification`."""

    def labels(self, ranked: Ranking, thresholds: Sequence[float]) -> tuple[Label, ...]:
        """Return the classes that reach their threshold, most probable first."""
        return ranked.at_least(thresholds)

    def counted(self, _best: Label, labels: tuple[Label, ...]) -> tuple[Label, ...]:
        """Return the classes that count for drift: the labels."""
        return labels

    def response(self, prediction: Prediction, common: CommonResponse) -> MultilabelResponse:
        """Build the JSON object of a prediction."""
        return {"labels": [label_response(label) for label in prediction.labels], **common}
