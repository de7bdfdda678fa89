"""The queue of the highest losses."""

from __future__ import annotations

from tests.trainer.cleaning.test_duplicates import row
from trainer.cleaning.losses import top_losses
from trainer.predictions import PredictionRow


def prediction(path: str, label: str, *predicted: str, probability: float = 0.9, loss: float = 2.0) -> PredictionRow:
    return PredictionRow(
        path=path,
        labels=frozenset(filter(None, label.split(";"))),
        predicted=frozenset(predicted),
        probability=probability,
        loss=loss,
    )


def test_the_prediction_is_proposed_where_it_is_another_label() -> None:
    rows = (row("1", "ant"), row("2", "bee"), row("3", "cat"))
    predictions = (
        prediction("3", "cat", "ant", loss=4.0),
        prediction("gone", "cat", "ant"),
        prediction("1", "ant", "ant", loss=0.5),
        prediction("2", "bee;cat", "ant", loss=0.4),
    )
    queue = top_losses(predictions, rows)
    assert queue.ids.tolist() == [2, 0, 1]
    entries = [queue.entry(position) for position in range(3)]
    assert [(entry.proposal, entry.probability) for entry in entries] == [("ant", 0.9), (None, None), (None, None)]
    assert [entry.reason for entry in entries] == [
        "The model says 'ant' (loss 4.00).",
        "The model says 'ant', too, but is not sure (loss 0.50).",
        "The model says 'ant' (loss 0.40).",
    ]
