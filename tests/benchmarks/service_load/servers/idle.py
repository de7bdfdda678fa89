"""The service with a predictor that computes nothing: the cost of a request if no network replaces the CPU caches.

python -m tests.benchmarks.service_load.servers.idle serve BUNDLE ...       like `python -m service`

The first image of each length is classified, and its prediction is the response to all others of that length.
"""

from __future__ import annotations

from typing import Any

from service import cli
from service.pixels import Picture
from service.prediction import Prediction
from service.predictor import Predictor
from service.web.server import process


class IdlePredictor(Predictor):
    """Remembers the picture of each length of an image, and the prediction of each picture."""

    pictures: dict[int, Picture] = {}  # noqa: RUF012  (one process, one predictor)
    predictions: dict[Picture, Prediction] = {}  # noqa: RUF012

    def load(self, data: bytes) -> Picture:
        if len(data) not in self.pictures:
            self.pictures[len(data)] = super().load(data)
        return self.pictures[len(data)]

    def classify(self, picture: Picture, **options: Any) -> Prediction:
        if picture not in self.predictions:
            self.predictions[picture] = super().classify(picture, **options)
        return self.predictions[picture]


if __name__ == "__main__":
    process.Predictor = IdlePredictor  # type: ignore[attr-defined,misc]
    cli.main()
