"""The images on the page: the top losses with their heatmaps, and augmented training images. All are `data:` URLs."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from service.pixels import PixelSpec, UInt8Array, load
from service.predictor import Label, Prediction, Predictor
from trainer.catalog import Catalog, Row
from trainer.catalog.labels import natural_key
from trainer.data import augment
from trainer.data.prepare import cache_spec
from trainer.errors import CatalogError
from trainer.predictions import PredictionRow
from trainer.recipe import Recipe

_MAX_TOP_LOSSES = 16
_MAX_LABELS = 6  # shown of one multilabel image
_TOP_LOSS_PIXELS = 224

_EXAMPLES = 12
_EXAMPLE_PIXELS = 288
_VIEWS_PER_ROW = 2  # and as many rows
_RANDOM_STREAM = 101  # no stage of the training draws random numbers from this stream

_QUALITY = 82  # of JPEG and WebP
_HEATMAP_PIXELS = 96
# Five of the 256 colours of inferno (matplotlib, CC0). The service's page draws its heatmaps with the same.
_HEATMAP_COLOURS = np.array([[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]])
_HEATMAP_OPACITY = 0.72


@dataclass(frozen=True, kw_only=True)
class TopLoss:
    """One validation image whose prediction is wrong.

    Attributes:
        path: Path of the image, from the catalog's root.
        true: True labels, with the probabilities that the model gives them.
        predicted: Predicted labels.
        best: The most probable class.
        image_url: The pixels that the model sees, as a JPEG.
        heatmap_url: Class activation map of `best`, to lay over the image; empty if the model has no heatmaps.
    """

    path: str
    true: tuple[Label, ...]
    predicted: tuple[Label, ...]
    best: str
    image_url: str
    heatmap_url: str


@dataclass(frozen=True, kw_only=True)
class AugmentedExample:
    """One training image.

    Attributes:
        path: Path of the image, from the catalog's root.
        labels: Its labels, in natural order.
        image_url: Four augmented views of it, as one JPEG.
    """

    path: str
    labels: tuple[str, ...]
    image_url: str


def find_top_losses(
    predictions: Sequence[PredictionRow], catalog: Catalog, predictor: Predictor
) -> tuple[TopLoss, ...]:
    """Predict the validation images with the highest loss again, to show what the model sees.

    Args:
        predictions: Of the validation images, the highest loss first. Correct predictions are skipped.
        catalog: Catalog of the images.
        predictor: The exported model.

    Raises:
        CatalogError: An image has changed since the run started.
    """
    rows = {row.path: row for row in catalog.split("valid")}
    wrong = [prediction for prediction in predictions if not prediction.correct][:_MAX_TOP_LOSSES]
    return tuple(_top_loss(rows[prediction.path], catalog, predictor) for prediction in wrong)


def draw_augmented_examples(catalog: Catalog, recipe: Recipe, pixels: PixelSpec) -> tuple[AugmentedExample, ...]:
    """Augment a few training images as the recipe says, of different classes if possible.

    Args:
        catalog: Catalog of the images.
        recipe: Gives the augmentation and the seed; the same seed gives the same images.
        pixels: Input of the model.

    Raises:
        CatalogError: An image has changed since the run started.
    """
    rows = catalog.split("train")
    return tuple(
        AugmentedExample(
            path=rows[position].path,
            labels=tuple(sorted(rows[position].labels, key=natural_key)),
            image_url=_jpeg_url(
                _augmented_views(catalog, rows[position], position, recipe, pixels), max_pixels=_EXAMPLE_PIXELS
            ),
        )
        for position in _choose_examples(rows, seed=recipe.seed)
    )


def _top_loss(row: Row, catalog: Catalog, predictor: Predictor) -> TopLoss:
    prediction = predictor.predict(_read_image(catalog, row), heatmap=predictor.has_heatmaps)
    return TopLoss(
        path=row.path,
        true=_true_labels(row, catalog, prediction),
        predicted=prediction.labels[:_MAX_LABELS],
        best=prediction.best.label,
        image_url=_jpeg_url(prediction.picture.pixels, max_pixels=_TOP_LOSS_PIXELS),
        heatmap_url=_heatmap_url(prediction.heatmap.values) if prediction.heatmap else "",
    )


def _true_labels(row: Row, catalog: Catalog, prediction: Prediction) -> tuple[Label, ...]:
    indices = [catalog.classes.index(label) for label in sorted(row.labels, key=natural_key)[:_MAX_LABELS]]
    return tuple(
        Label(label=catalog.classes[index], index=index, probability=float(prediction.probabilities[index]))
        for index in indices
    )


def _choose_examples(rows: Sequence[Row], *, seed: int) -> list[int]:
    """Positions of random rows; rows with the same labels as an earlier one come last."""
    seen: set[frozenset[str]] = set()
    new: list[int] = []
    repeated: list[int] = []
    for position in np.random.default_rng((seed, _RANDOM_STREAM)).permutation(len(rows)).tolist():
        (repeated if rows[position].labels in seen else new).append(position)
        seen.add(rows[position].labels)
        if len(new) == _EXAMPLES:
            break
    return [*new, *repeated][:_EXAMPLES]


def _augmented_views(catalog: Catalog, row: Row, position: int, recipe: Recipe, pixels: PixelSpec) -> UInt8Array:
    """uint8 [2 * size, 2 * size, 3]: one training image as the first four epochs of fine-tuning show it."""
    picture = load(_read_image(catalog, row), cache_spec(pixels))
    views = [
        augment(
            torch.tensor(picture.pixels)[None],
            np.array([picture.width / picture.height], dtype=np.float32),
            np.array([position]),
            size=pixels.size,
            settings=recipe.augmentation,
            seed=recipe.seed,
            epoch=epoch,
        )[0]
        for epoch in range(_VIEWS_PER_ROW**2)
    ]
    grid = torch.stack(views).reshape(_VIEWS_PER_ROW, _VIEWS_PER_ROW, 3, pixels.size, pixels.size)
    width = _VIEWS_PER_ROW * pixels.size
    return grid.permute(0, 3, 1, 4, 2).reshape(width, width, 3).round().to(torch.uint8).numpy()


def _read_image(catalog: Catalog, row: Row) -> bytes:
    """The bytes of a row's file; raises CatalogError if they are not the ones that the run saw."""
    path = catalog.file_of(row)
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != row.sha256:
        raise CatalogError(f"{path} has changed since the run started; restore the original file")
    return data


def _jpeg_url(pixels: UInt8Array, *, max_pixels: int) -> str:
    """uint8 [S, S, 3] as a JPEG, reduced if S is over `max_pixels`."""
    image = Image.fromarray(pixels)
    if image.width > max_pixels:
        image = image.resize((max_pixels, max_pixels), Image.Resampling.LANCZOS)
    return _data_url(image, "jpeg")


def _heatmap_url(values: npt.NDArray[np.floating[Any]]) -> str:
    """Float [h, w] in 0..1 as a WebP to lay over an image; low values are transparent."""
    smooth = Image.fromarray(values.astype(np.float32)).resize(
        (_HEATMAP_PIXELS, _HEATMAP_PIXELS), Image.Resampling.BICUBIC
    )
    heat = np.clip(np.asarray(smooth), 0, 1)
    stops = np.linspace(0, 1, len(_HEATMAP_COLOURS))
    channels = [np.interp(heat, stops, colour) for colour in _HEATMAP_COLOURS.T]
    rise = np.clip((heat - 0.1) / 0.7, 0, 1)
    alpha = 255 * _HEATMAP_OPACITY * rise**2 * (3 - 2 * rise)  # smoothstep
    return _data_url(Image.fromarray(np.stack([*channels, alpha], axis=2).round().astype(np.uint8)), "webp")


def _data_url(image: Image.Image, kind: str) -> str:
    file = io.BytesIO()
    image.save(file, kind, quality=_QUALITY)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"
