"""The picture of a confusion matrix."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from tests.trainer.report.conftest import decode
from trainer.report.matrix_figure import draw_matrix


def rgba(url: str) -> npt.NDArray[np.uint8]:
    return np.asarray(decode(url).convert("RGBA"))


def test_each_cell_is_a_pixel_in_the_order_of_the_classes() -> None:
    matrix = np.array([[3, 1, 0], [0, 4, 0], [0, 0, 0]])
    figure = draw_matrix(matrix, np.array([1, 0, 2]), classes=("a", "b", "c"), coarse_labels=("x", "y", "y"))
    assert figure.overview is None
    picture = rgba(figure.exact.light_url)
    assert picture.shape == (3, 3, 4)
    assert (picture[..., 3] > 0).tolist() == [[True, False, False], [True, True, False], [False, False, False]]
    right, wrong = picture[0, 0], picture[1, 0]
    assert right[1] > right[0]
    assert wrong[0] > wrong[1]
    assert picture[0, 0, 3] == 255
    assert wrong[3] < picture[1, 1, 3] < 255
    assert rgba(figure.exact.dark_url)[0, 0].tolist() != right.tolist()
    assert figure.data == {
        "names": ["b", "a", "c"],
        "groups": ["y", "x", "y"],
        "side": 3,
        "cells": [[0, 4], [0, 1, 1, 3], []],
    }
    assert figure.by_coarse


@pytest.mark.parametrize("count", [301, 1_000])
def test_single_cells_of_a_large_matrix_are_seen_in_the_overview(count: int) -> None:
    matrix = np.diag(np.full(count, 5))
    matrix[7, count - 1] = 1
    figure = draw_matrix(matrix, np.arange(count), classes=[str(number) for number in range(count)])
    assert figure.overview is not None
    overview, exact = rgba(figure.overview.light_url), rgba(figure.exact.light_url)
    factor = len(exact) // len(overview)
    assert len(exact) == len(overview) * factor == figure.data["side"]
    assert len(overview) <= 300
    assert overview[7 // factor, (count - 1) // factor, 3] > 0
    assert (overview[..., 3] > 0).sum() == len(overview) + 1
    assert (exact[..., 3] > 0).sum() == count + 1
    assert not figure.by_coarse
