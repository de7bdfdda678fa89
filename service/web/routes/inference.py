"""Decoding and inference on a worker thread, for every route that takes an image."""

from __future__ import annotations

from service.pixels import Picture
from service.prediction import Prediction
from service.predictor import Predictor
from service.web import record
from service.web.record import PredictionSummary


def classify_image(data: bytes, predictor: Predictor, *, heatmap: bool = False) -> Prediction:
    """Classify an encoded image for the current request, whose record times the stages and keeps a summary.

    The record's run options stop the inference when the request is cancelled.

    Args:
        data: The encoded image.
        predictor: The model.
        heatmap: Whether to compute the heatmap of the best class.

    Raises:
        service.pixels.ImageError: If the image cannot be decoded.
    """
    request = record.current()
    picture = load_image(data, predictor)
    prediction = predictor.classify(
        picture, heatmap=heatmap, run_options=request.run_options, decode_ms=request.stages_ms["decode"]
    )
    request.lap("infer")
    request.prediction = PredictionSummary.of(prediction)
    return prediction


def load_image(data: bytes, predictor: Predictor) -> Picture:
    """Decode an encoded image for the current request, whose record times the stage, even if it fails.

    Raises:
        service.pixels.ImageError: If the image cannot be decoded.
    """
    try:
        return predictor.load(data)
    finally:
        record.current().lap("decode")
