"""Example images of confused classes: those that were confused, and one of each class that was recognized."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from service.pixels import PixelSpec, load
from service.ui.images import jpeg_url
from trainer.catalog import Catalog, Row
from trainer.predictions import PredictionRow
from trainer.report.confusion import ConfusedPair
from trainer.report.gallery import read_image

_CONFUSED = 2  # images of a pair
_PIXELS = 128


@dataclass(frozen=True, kw_only=True)
class ExampleImage:
    """One image.

    Attributes:
        path: From the catalog's root.
        url: The pixels that the model sees, as a JPEG.
        caption: What it is an example of.
    """

    path: str
    url: str
    caption: str


@dataclass(frozen=True, kw_only=True)
class PairExamples:
    """Two classes, the first of which was taken for the second, and images of both.

    Attributes:
        pair: The classes, and how often they were confused.
        true_count: Number of validation images that have the first label.
        confused: Images of the first class that were taken for the second, the highest loss first.
        typical: One image of each class: the surest right prediction, else a training image.
    """

    pair: ConfusedPair
    true_count: int
    confused: tuple[ExampleImage, ...]
    typical: tuple[ExampleImage, ...]


def draw_pairs(
    pairs: Sequence[tuple[ConfusedPair, int]],
    predictions: Sequence[PredictionRow],
    catalog: Catalog,
    pixels: PixelSpec,
) -> tuple[PairExamples, ...]:
    """Read example images for confused pairs.

    Args:
        pairs: Each with the number of validation images that have the first label.
        predictions: Of all validation images, the highest loss first.
        catalog: Catalog of the images.
        pixels: Input of the model.

    Raises:
        CatalogError: An image has changed since the run started.
    """
    rows = {row.path: row for row in catalog.rows}

    def draw(row: Row, caption: str) -> ExampleImage:
        picture = load(read_image(catalog, row), pixels)
        return ExampleImage(path=row.path, url=jpeg_url(picture.pixels, max_pixels=_PIXELS), caption=caption)

    def typical(label: str) -> tuple[ExampleImage, ...]:
        right = next((row.path for row in reversed(predictions) if row.correct and label in row.labels), None)
        if right is not None:
            return (draw(rows[right], f"{label}, recognized"),)
        train = next((row for row in catalog.split("train") if label in row.labels), None)
        return () if train is None else (draw(train, f"{label}, a training image"),)

    return tuple(
        PairExamples(
            pair=pair,
            true_count=true_count,
            confused=tuple(
                draw(rows[row.path], f"{pair.label}, taken for {pair.predicted}")
                for row in [row for row in predictions if _is_confused(row, pair)][:_CONFUSED]
            ),
            typical=(*typical(pair.label), *typical(pair.predicted)),
        )
        for pair, true_count in pairs
    )


def _is_confused(row: PredictionRow, pair: ConfusedPair) -> bool:
    return pair.label in row.labels - row.predicted and pair.predicted in row.predicted - row.labels
