"""One label for each image, or none if the best class is under the model's threshold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from service.prediction import Label, Prediction, Ranking
from service.tasks.shapes import CommonResponse, Probability


class ClassificationResponse(CommonResponse):
    """The prediction of a model with one label for each image."""

    label: Annotated[str | None, {"description": "null if the best probability is under the model's threshold"}]
    probability: Annotated[Probability, {"description": "of the best class, under the threshold or not"}]
    index: int


class Classification:
    """The methods are those of `Multilabel`."""

    def labels(self, ranked: Ranking, thresholds: Sequence[float]) -> tuple[Label, ...]:
        """Return the best class if it reaches the threshold."""
        return ranked[:1] if ranked[0].probability >= thresholds[0] else ()

    def counted(self, best: Label, _labels: tuple[Label, ...]) -> tuple[Label, ...]:
        """Return the classes that count for drift: the best one, whether it reaches its threshold or not."""
        return (best,)

    def response(self, prediction: Prediction, common: CommonResponse) -> ClassificationResponse:
        """Build the JSON object of a prediction."""
        best = prediction.best
        label = prediction.labels[0].label if prediction.labels else None
        return {"label": label, "probability": best.probability, "index": best.index, **common}
