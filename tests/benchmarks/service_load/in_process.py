"""Decoding and inference without HTTP: what the service is compared with."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Sequence

from service.prediction import Prediction
from service.predictor import Predictor


def predict_for(
    predictor: Predictor, images: Sequence[bytes], *, threads: int, seconds: float
) -> list[tuple[float, Prediction]]:
    """Predict in several threads for some time; returns (seconds, prediction) of each image."""
    source, done, deadline = itertools.cycle(images), [], time.perf_counter() + seconds

    def work() -> None:
        while (start := time.perf_counter()) < deadline:
            prediction = predictor.predict(next(source))
            done.append((time.perf_counter() - start, prediction))

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return done


def durations(predictor: Predictor, images: Sequence[bytes], *, threads: int, seconds: float) -> list[float]:
    """Return only the seconds."""
    return [took for took, _ in predict_for(predictor, images, threads=threads, seconds=seconds)]
