"""The validation images on which the trained model was most wrong."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trainer.catalog import Row
from trainer.cleaning.queues import Entry, ImageQueue
from trainer.predictions import PredictionRow

_MOST = 1000


def top_losses(predictions: Sequence[PredictionRow], rows: Sequence[Row]) -> ImageQueue:
    """The images with the highest loss, those first.

    Args:
        predictions: predictions.csv, the highest loss first.
        rows: Of the catalog.
    """
    ids = {row.path: image for image, row in enumerate(rows)}
    listed = [prediction for prediction in predictions if prediction.path in ids][:_MOST]

    def entry(position: int) -> Entry:
        found = listed[position]
        names = " and ".join(map(repr, sorted(found.predicted))) or "none of the labels"
        if found.correct:
            return Entry(reason=f"The model says {names}, too, but is not sure (loss {found.loss:.2f}).")
        proposal = next(iter(found.predicted)) if len(found.predicted) == 1 else None
        reason = f"The model says {names} (loss {found.loss:.2f})."
        if proposal is None or len(found.labels) != 1:
            return Entry(reason=reason)
        return Entry(reason=reason, proposal=proposal, probability=found.probability)

    images = np.array([ids[prediction.path] for prediction in listed], dtype=np.int64)
    return ImageQueue(name="top-losses", ids=images, entry=entry)
