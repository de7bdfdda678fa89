"""The images on the page: the top losses with their heatmaps, and augmented training images. All are `data:` URLs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from service.inputs import read_bytes
from service.pixels import ImageError, PixelSpec, UInt8Array, load
from service.prediction import Label, Prediction
from service.predictor import Predictor
from service.ui.images import heatmap_url, jpeg_url
from trainer.catalog import Catalog, Row
from trainer.catalog.labels import natural_key
from trainer.data import cache_spec
from trainer.errors import CatalogError
from trainer.predictions import PredictionRow
from trainer.recipe import Recipe
from trainer.report.contact_sheet import choose_order
from trainer.report.feed import train_view

_MAX_LABELS = 6  # shown of one multilabel image
_TOP_LOSS_PIXELS = 224

_EXAMPLE_PIXELS = 288


@dataclass(frozen=True, kw_only=True)
class TopLoss:
    """One validation image with its prediction.

    Attributes:
        path: Path of the image, from the catalog's root.
        true: True labels, with the probabilities that the model gives them.
        predicted: Predicted labels.
        best: The most probable class.
        second: The next one; None if there is only one class.
        image_url: The pixels that the model sees, as a JPEG.
        heatmap_url: Class activation map of `best`, to lay over the image; empty if the model has no heatmaps.
    """

    path: str
    true: tuple[Label, ...]
    predicted: tuple[Label, ...]
    best: str
    second: Label | None
    image_url: str
    heatmap_url: str


@dataclass(frozen=True, kw_only=True, eq=False)
class AugmentedExample:
    """One training image.

    Attributes:
        path: Path of the image, from the catalog's root.
        labels: Its labels, in natural order.
        pixels: uint8 [rows * size, rows * size, 3]: augmented views of it, in as many rows as columns.
    """

    path: str
    labels: tuple[str, ...]
    pixels: UInt8Array

    @property
    def image_url(self) -> str:
        """The views as one JPEG."""
        return jpeg_url(self.pixels, max_pixels=_EXAMPLE_PIXELS)


def draw_top_losses(
    predictions: Sequence[PredictionRow], catalog: Catalog, predictor: Predictor
) -> tuple[TopLoss, ...]:
    """Predict validation images again, to show what the model sees.

    Args:
        predictions: Of these images.
        catalog: Catalog of the images.
        predictor: The exported model.

    Raises:
        CatalogError: An image has changed since the run started.
    """
    rows = {row.path: row for row in catalog.split("valid")}
    return tuple(_top_loss(rows[prediction.path], catalog, predictor) for prediction in predictions)


def draw_augmented_examples(
    catalog: Catalog, recipe: Recipe, pixels: PixelSpec, *, count: int, rows_each: int
) -> tuple[AugmentedExample, ...]:
    """Augment a few training images as the recipe says, of different classes if possible.

    Images that cannot be decoded are skipped.

    Args:
        catalog: Catalog of the images.
        recipe: Gives the augmentation and the seed; the same seed gives the same images.
        pixels: Input of the model.
        count: Number of images, if there are as many.
        rows_each: Rows and columns of views of each image: 2 gives four views.

    Raises:
        CatalogError: An image has changed since the run started.
    """
    rows = catalog.split("train")
    found: list[AugmentedExample] = []
    for position in choose_order(rows, seed=recipe.seed):
        if len(found) == count:
            break
        try:
            views = _augmented_views(catalog, position, recipe, pixels, rows_each=rows_each)
        except ImageError:
            continue
        labels = tuple(sorted(rows[position].labels, key=natural_key))
        found.append(AugmentedExample(path=rows[position].path, labels=labels, pixels=views))
    return tuple(found)


def _top_loss(row: Row, catalog: Catalog, predictor: Predictor) -> TopLoss:
    prediction = predictor.predict(read_image(catalog, row), heatmap=predictor.has_heatmaps)
    return TopLoss(
        path=row.path,
        true=_true_labels(row, catalog, prediction),
        predicted=prediction.candidates[:_MAX_LABELS],
        best=prediction.best.label,
        second=prediction.ranked[1] if len(prediction.ranked) > 1 else None,
        image_url=jpeg_url(prediction.picture.pixels, max_pixels=_TOP_LOSS_PIXELS),
        heatmap_url=heatmap_url(prediction.heatmap.values) if prediction.heatmap else "",
    )


def _true_labels(row: Row, catalog: Catalog, prediction: Prediction) -> tuple[Label, ...]:
    indices = [catalog.classes.index(label) for label in sorted(row.labels, key=natural_key)[:_MAX_LABELS]]
    return tuple(
        Label(label=catalog.classes[index], index=index, probability=float(prediction.probabilities[index]))
        for index in indices
    )


def _augmented_views(
    catalog: Catalog, position: int, recipe: Recipe, pixels: PixelSpec, *, rows_each: int
) -> UInt8Array:
    """uint8 [rows * size, rows * size, 3]: one training image as the first epochs of fine-tuning show it."""
    picture = load(read_image(catalog, catalog.split("train")[position]), cache_spec(pixels))
    views = [train_view(picture, position, recipe, size=pixels.size, epoch=epoch) for epoch in range(rows_each**2)]
    return np.vstack([np.hstack(views[first : first + rows_each]) for first in range(0, len(views), rows_each)])


def read_image(catalog: Catalog, row: Row) -> bytes:
    """Return the bytes of a row's file; raises CatalogError if they are not the ones that the run saw."""
    path = catalog.file_of(row)
    data = read_bytes(path)
    if row.sha256 not in (None, hashlib.sha256(data).hexdigest()):
        raise CatalogError(f"{path} has changed since the run started; restore the original file")
    return data
