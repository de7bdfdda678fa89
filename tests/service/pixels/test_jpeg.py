"""A JPEG that lacks only its end marker is taken; one that lacks pixels is not."""

from __future__ import annotations

import hashlib
import io
import random
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from service.pixels import Picture, UndecodableImage, decode, load
from service.pixels.jpeg import START_OF_SCAN, segments
from tests.service.pixels.specs import CROP
from tests.support.problems import assert_problem
from trainer.decoding import decode_file

END = b"\xff\xd9"
VARIANTS: dict[str, dict[str, Any]] = {
    "baseline": {},
    "4:4:4": {"subsampling": 0},
    "optimized": {"optimize": True},
    "restarts": {"restart_marker_blocks": 1},
    "restarts of rows": {"restart_marker_rows": 1},
    "progressive": {"progressive": True},
    "progressive, 4:4:4": {"progressive": True, "subsampling": 0},
    "grey": {"mode": "L"},
    "grey, progressive": {"mode": "L", "progressive": True},
    "CMYK": {"mode": "CMYK"},
    "small": {"size": (7, 5)},
    "large": {"size": (1600, 1200)},
}


def encode(*, mode: str = "RGB", size: tuple[int, int] = (157, 83), **options: Any) -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).resize(size).convert(mode).save(file, "JPEG", quality=85, **options)
    assert file.getvalue().endswith(END)
    return file.getvalue()


def same(one: Image.Image, other: Image.Image) -> bool:
    return one.tobytes() == other.tobytes()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("left", [b"", b"\xff", b"\xff\xff"], ids=["nothing", "half", "a fill byte"])
def test_without_its_end_marker_it_has_the_same_pixels(variant: str, left: bytes) -> None:
    """It was refused as truncated, although browsers and phones show it whole."""
    whole = encode(**VARIANTS[variant])
    lacking = whole.removesuffix(END) + left
    assert same(decode(lacking), decode(whole))
    np.testing.assert_array_equal(load(lacking, CROP).pixels, load(whole, CROP).pixels)


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_lacks_pixels_is_refused(variant: str) -> None:
    whole = encode(**VARIANTS[variant])
    cuts = random.Random(0)
    refused = 0
    for length in [*range(len(whole) - 12, len(whole) - 2), *cuts.sample(range(2, len(whole)), 20)]:
        try:
            image = decode(whole[:length])
        except UndecodableImage as error:
            assert "truncated" in str(error) or "damaged" in str(error)  # noqa: PT017
            refused += 1
        else:  # its last bits were padding
            assert same(image, decode(whole))
    assert refused >= 25


@pytest.mark.parametrize("options", [{}, {"subsampling": 0}, {"mode": "L"}])
def test_one_that_ends_between_two_scans_is_refused(options: dict[str, Any]) -> None:
    """Every pixel has a value then, but not its last bits."""
    whole = encode(progressive=True, **options)
    assert [marker for marker, _ in segments(whole)].count(START_OF_SCAN) > 4
    starts = [start for start in range(len(whole)) if whole[start : start + 2] in (b"\xff\xda", b"\xff\xc4")]
    for start in starts:
        with pytest.raises(UndecodableImage):
            decode(whole[:start])


def test_a_file_whose_end_was_never_written_is_refused() -> None:
    """Zero bytes decode to grey pixels, and there are enough of them."""
    whole = encode(size=(800, 600))
    with pytest.raises(UndecodableImage, match=r"truncated"):
        decode(whole[: len(whole) // 2] + bytes(len(whole)))


def test_more_scans_than_the_check_takes_are_refused() -> None:
    whole = encode(progressive=True)
    last = whole.rindex(b"\xff\xda")
    repeated = whole[:-2] + whole[last:-2] * 20
    with pytest.raises(UndecodableImage):
        decode(repeated)


def test_service_and_trainer_take_it_alike(client: httpx.Client, tmp_path: Path) -> None:
    lacking = encode().removesuffix(END)
    path = tmp_path / "photo.jpg"
    for data, taken in ((lacking, True), (lacking[:-20], False)):
        path.write_bytes(data)
        decoded = decode_file(path, hashlib.sha256(data).hexdigest(), CROP)
        response = client.post("/v1/predict", content=data)
        assert isinstance(decoded, Picture) == taken
        assert response.status_code == (200 if taken else 422)
        if not taken:
            assert assert_problem(response, 422) == decoded
