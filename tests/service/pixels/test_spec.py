from __future__ import annotations

from typing import Any

import pytest

from service.pixels import Limits, PixelSpec, UndecodableImage, load
from tests.service.pixels.specs import CROP
from tests.support.images import bmp, encode, flat, gif, jpeg_header


def test_a_spec_survives_json() -> None:
    assert PixelSpec.from_json(CROP.to_json()) == CROP


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"size": 0}, "size"),
        ({"size": 4097, "resize_short": 4097}, "size"),
        ({"size": 32.0}, "size"),
        ({"size": True}, "size"),
        ({"resize_short": "36"}, "resize_short"),
        ({"resize_short": 31}, "resize_short"),
        ({"mode": "stretch"}, "mode"),
        ({"mode": []}, "mode"),
        ({"mode": "pad"}, "resize_short"),
        ({"filter": "nearest"}, "filter"),
        ({"mean": 0.5}, "exactly the fields"),
    ],
)
def test_an_invalid_field_is_refused(change: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        PixelSpec.from_json({**CROP.to_json(), **change})


def test_a_missing_field_is_refused() -> None:
    with pytest.raises(ValueError, match="exactly the fields"):
        PixelSpec.from_json({"size": 32})


@pytest.mark.parametrize("size", [(1, 50), (50, 1), (3, 150)])
def test_side_ratio_at_the_limit_is_accepted(size: tuple[int, int]) -> None:
    load(encode(flat("L", 0, size)), CROP)


@pytest.mark.parametrize("size", [(1, 51), (51, 1), (3, 151)])
def test_side_ratio_over_the_limit_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(UndecodableImage, match=f"{size[0]} x {size[1]}.* 50 times"):
        load(encode(flat("L", 0, size)), CROP)


def test_pixels_at_the_limit_are_accepted_and_over_it_refused() -> None:
    limits = Limits(max_pixels=100)
    load(encode(flat("L", 0, (10, 10))), CROP, limits=limits)
    with pytest.raises(UndecodableImage, match="more than the 100 pixels"):
        load(encode(flat("L", 0, (10, 11))), CROP, limits=limits)


def test_side_ratio_can_be_set() -> None:
    with pytest.raises(UndecodableImage, match="2 times"):
        load(encode(flat("L", 0, (10, 21))), CROP, limits=Limits(max_side_ratio=2))


@pytest.mark.parametrize("data", [gif(0, 0, frame=(0, 0)), bmp(0, 5), bmp(5, 0), jpeg_header(0, 5), jpeg_header(5, 0)])
def test_image_without_pixels_is_refused(data: bytes) -> None:
    with pytest.raises(UndecodableImage):
        load(data, CROP)
