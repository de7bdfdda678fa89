"""The service with a predictor that fails for images of certain widths: `python -m tests.support.faulty`."""

from __future__ import annotations

import dataclasses
import threading
import time
from typing import Any

import numpy as np

from service import cli
from service.pixels import Picture
from service.prediction import Prediction
from service.predictor import Predictor
from service.web.server import process
from tests.support.bundles import make_image

# Widths in pixels.
SLOW, HANGS, RAISES, NOT_A_NUMBER = 101, 102, 103, 104
SLOW_S = 0.5


class FaultyPredictor(Predictor):
    """Slow or hanging in decoding, failing in inference."""

    def load(self, data: bytes) -> Picture:
        picture = super().load(data)
        if picture.width == SLOW:
            time.sleep(SLOW_S)
        if picture.width == HANGS:
            threading.Event().wait()
        return picture

    def classify(self, picture: Picture, **options: Any) -> Prediction:
        prediction = super().classify(picture, **options)
        if prediction.picture.width == RAISES:
            raise RuntimeError("a secret of the implementation")
        if prediction.picture.width == NOT_A_NUMBER:
            return dataclasses.replace(prediction, probabilities=np.full_like(prediction.probabilities, np.nan))
        return prediction


def image_of(fault: int) -> bytes:
    """Make an image that causes the fault."""
    return make_image("red", size=(fault, 60))


if __name__ == "__main__":
    process.Predictor = FaultyPredictor  # type: ignore[attr-defined,misc]
    cli.main()
