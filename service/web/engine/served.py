"""The predictor as requests see it: it tells their records what it did, and can be stopped."""

from __future__ import annotations

import onnxruntime as ort

from service.pixels import Picture
from service.predictor import Prediction, Predictor
from service.web import record
from service.web.record import Verdict


class ServedPredictor(Predictor):
    """A predictor that works for the request whose record is the current one."""

    def load(self, data: bytes) -> Picture:
        """As `Predictor.load`."""
        request = record.current()
        request.lap("parse")
        try:
            return super().load(data)
        finally:
            request.lap("decode")

    def predict(self, data: bytes, *, heatmap: bool = False, run_options: ort.RunOptions | None = None) -> Prediction:
        """As `Predictor.predict`; ended where the request is given up, unless it has run options of its own."""
        request = record.current()
        prediction = super().predict(data, heatmap=heatmap, run_options=run_options or request.run_options)
        request.lap("infer")
        request.verdict = Verdict.of(prediction)
        return prediction
