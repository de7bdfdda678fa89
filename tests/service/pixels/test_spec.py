from __future__ import annotations

from typing import Any

import pytest

from service.pixels import PixelSpec
from tests.service.pixels.specs import CROP


def test_goes_through_json_and_back() -> None:
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
def test_refuses_what_has_no_meaning(change: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        PixelSpec.from_json({**CROP.to_json(), **change})


def test_refuses_a_missing_field() -> None:
    with pytest.raises(ValueError, match="exactly the fields"):
        PixelSpec.from_json({"size": 32})
