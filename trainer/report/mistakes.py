"""The worst mistakes on the validation images, as the exported model makes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from service.predictor import Prediction, Predictor
from trainer.catalog import Catalog, Row
from trainer.catalog.labels import natural_key
from trainer.predictions import Answer
from trainer.report.images import heatmap_layer, read_image, thumbnail

_MISTAKES = 16
_SIDE = 224
_LABELS = 6  # named of an image that has many


@dataclass(frozen=True, kw_only=True)
class Said:
    """A label, and the probability that the model gives it."""

    label: str
    probability: float


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """One image.

    wanted   what it is
    given    what the model calls it
    picture  address of what the model sees
    heatmap  address of a layer over it that shows what speaks for `best`; empty where the model gives no heatmaps
    best     the most probable class
    """

    path: str
    wanted: tuple[Said, ...]
    given: tuple[Said, ...]
    picture: str
    heatmap: str
    best: str


def look_at_mistakes(answers: Sequence[Answer], catalog: Catalog, predictor: Predictor) -> tuple[Mistake, ...]:
    """The wrong answers with the highest loss.

    answers  of the validation images, the worst first

    Raises CatalogError where an image is another than the run saw.
    """
    rows = {row.path: row for row in catalog.split("valid")}
    wrong = [answer for answer in answers if answer.predicted != answer.labels][:_MISTAKES]
    return tuple(_look(rows[answer.path], catalog, predictor) for answer in wrong)


def _look(row: Row, catalog: Catalog, predictor: Predictor) -> Mistake:
    prediction = predictor.predict(read_image(catalog, row), heatmap=predictor.has_heatmaps)
    return Mistake(
        path=row.path,
        wanted=_wanted(row, catalog, prediction),
        given=tuple(Said(label=item.label, probability=item.probability) for item in prediction.labels[:_LABELS]),
        picture=thumbnail(prediction.picture.pixels, side=_SIDE),
        heatmap=heatmap_layer(prediction.heatmap.values) if prediction.heatmap else "",
        best=prediction.best.label,
    )


def _wanted(row: Row, catalog: Catalog, prediction: Prediction) -> tuple[Said, ...]:
    labels = sorted(row.labels, key=natural_key)[:_LABELS]
    return tuple(
        Said(label=label, probability=float(prediction.probabilities[catalog.classes.index(label)])) for label in labels
    )
