"""A confusion matrix of many classes as a picture, with what a script needs to read it out cell by cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from service.ui.images import png_url

IntArray = npt.NDArray[np.int64]
UInt8Array = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]

# The accent colour of right predictions and the colour of wrong ones, as in the style sheet.
_LIGHT: tuple[Colour, Colour] = ((47, 107, 79), (180, 72, 15))
_DARK: tuple[Colour, Colour] = ((134, 199, 162), (242, 163, 94))
_FAINTEST = 0.35  # opacity of a cell with one image
_MOST_IN_OVERVIEW = 300  # rows of the picture of the whole
_SHADES = 100  # of each of the two colours


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A square picture.

    Attributes:
        side: In pixels.
        light_url: PNG for light pages.
        dark_url: PNG for dark pages.
    """

    side: int
    light_url: str
    dark_url: str


@dataclass(frozen=True, kw_only=True)
class MatrixFigure:
    """The picture of a confusion matrix, one pixel for each cell.

    Attributes:
        class_count: Number of classes.
        exact: One pixel for each cell, as PNGs.
        overview: One pixel for several cells, so that single ones can be seen; None if there are few classes.
        data: For the script: `names` of the classes in the order of the picture; `groups`, their coarse labels or none;
            `side`, of the exact picture, which may have empty rows and columns at its end; and `cells`: for each row
            the columns that are not 0, each followed by its number of images.
        by_coarse: Whether classes of one coarse label are beside each other.
    """

    class_count: int
    exact: Picture
    overview: Picture | None
    data: dict[str, Any]
    by_coarse: bool


def draw_matrix(
    matrix: IntArray, order: IntArray, *, classes: Sequence[str], coarse_labels: Sequence[str] = ()
) -> MatrixFigure:
    """Draw a confusion matrix; the stronger the colour of a cell, the larger its fraction of the row.

    Args:
        matrix: int64 [K, K], a row for each true class, a column for each predicted one.
        order: int64 [K], the classes from top to bottom and from left to right.
        classes: K names.
        coarse_labels: The coarse label of each class; empty: there are none.
    """
    ordered = matrix[np.ix_(order, order)]
    factor = -(-len(ordered) // _MOST_IN_OVERVIEW)
    rest = -len(ordered) % factor
    shades, images = np.pad(_shades(ordered), (0, rest)), np.pad(ordered, (0, rest))
    return MatrixFigure(
        class_count=len(classes),
        exact=_picture(shades),
        overview=_picture(_reduce(shades, images, factor)) if factor > 1 else None,
        data={
            "names": [classes[index] for index in order],
            "groups": [coarse_labels[index] for index in order] if coarse_labels else [],
            "side": len(shades),
            "cells": [
                [number for column in np.flatnonzero(row).tolist() for number in (column, int(row[column]))]
                for row in ordered
            ],
        },
        by_coarse=bool(coarse_labels),
    )


def _shades(matrix: IntArray) -> UInt8Array:
    """The number of the colour of each cell: 0 without images, then those of right and of wrong predictions."""
    fractions = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    shades = np.where(matrix > 0, 1 + np.round((_SHADES - 1) * fractions), 0).astype(np.uint8)
    shades[(matrix > 0) & ~np.eye(len(matrix), dtype=np.bool_)] += _SHADES
    return shades


def _reduce(shades: UInt8Array, images: IntArray, factor: int) -> UInt8Array:
    """Of each square of cells the colour of the one with the most images."""
    side = len(shades) // factor
    squares = [
        array.reshape(side, factor, side, factor).transpose(0, 2, 1, 3).reshape(side, side, -1)
        for array in (shades, images)
    ]
    most = squares[1].argmax(axis=2)
    return np.asarray(np.take_along_axis(squares[0], most[..., np.newaxis], axis=2)[..., 0])


def _picture(shades: UInt8Array) -> Picture:
    light, dark = (png_url(shades, palette=_palette(colours)) for colours in (_LIGHT, _DARK))
    return Picture(side=len(shades), light_url=light, dark_url=dark)


def _palette(colours: tuple[Colour, Colour]) -> list[tuple[int, int, int, int]]:
    """Red, green, blue and opacity of each shade; 0 is transparent."""
    opacities = np.round(255 * np.linspace(_FAINTEST, 1, _SHADES)).astype(int).tolist()
    return [(0, 0, 0, 0), *((*colour, opacity) for colour in colours for opacity in opacities)]
