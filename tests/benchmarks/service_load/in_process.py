"""Decoding and inference without HTTP: what the service is held against."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Sequence

from service.predictor import Prediction, Predictor


def predict_for(
    predictor: Predictor, images: Sequence[bytes], *, threads: int, seconds: float
) -> list[tuple[float, Prediction]]:
    """That many threads predict at once, for as long: each prediction, and how many seconds it took."""
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
    """The seconds alone."""
    return [took for took, _ in predict_for(predictor, images, threads=threads, seconds=seconds)]
