"""The service with a predictor that computes nothing: what a request costs where the network leaves the caches alone.

python -m tests.benchmarks.service_load.servers.idle serve BUNDLE ...       as `python -m service`

The first image of each length is predicted, and what it gave is the answer to all others of that length.
"""

from __future__ import annotations

import onnxruntime as ort

from service import cli
from service.predictor import Prediction
from service.web import record
from service.web.engine import served
from service.web.record import Verdict
from service.web.server import process


class IdlePredictor(served.ServedPredictor):
    """Remembers."""

    known: dict[int, Prediction] = {}  # noqa: RUF012  (one process, one predictor)

    def predict(self, data: bytes, *, heatmap: bool = False, run_options: ort.RunOptions | None = None) -> Prediction:
        if len(data) not in self.known:
            self.known[len(data)] = super().predict(data, heatmap=heatmap, run_options=run_options)
        request, prediction = record.current(), self.known[len(data)]
        for stage in ("parse", "decode", "infer"):
            request.lap(stage)
        request.verdict = Verdict.of(prediction)
        return prediction


if __name__ == "__main__":
    process.ServedPredictor = IdlePredictor  # type: ignore[attr-defined]
    cli.main()
