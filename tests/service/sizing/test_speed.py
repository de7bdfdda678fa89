from __future__ import annotations

import io

import pytest
from PIL import Image

from service.pixels import UndecodableImage
from service.predictor import Predictor
from service.sizing.speed import machine_name, make_photo, measure_speed
from tests.support.bundles import make_image


@pytest.mark.parametrize("megapixels", [0.01, 0.5, 3, 12])
def test_a_made_photo_has_the_size_and_bytes_of_a_real_one(megapixels: float) -> None:
    data = make_photo(megapixels)
    with Image.open(io.BytesIO(data)) as photo:
        assert photo.format == "JPEG"
        assert photo.width * photo.height == pytest.approx(1e6 * megapixels, rel=0.02)
        assert photo.width / photo.height == pytest.approx(4 / 3, rel=0.02)
    assert 0.15 < len(data) / (1e6 * megapixels) < 0.5


def test_larger_photos_take_longer(predictor: Predictor) -> None:
    small, large = (measure_speed(predictor, [make_photo(size)], seconds=0.2) for size in (0.3, 6))
    assert small.decode_ms < large.decode_ms
    assert small.megapixels == pytest.approx(0.3, rel=0.02)


def test_every_photo_is_measured(predictor: Predictor) -> None:
    photos = [make_image(size=(100, 100)), make_image(size=(300, 100))]
    speed = measure_speed(predictor, photos, seconds=0)
    assert speed.megapixels == pytest.approx(0.02)
    assert speed.photo_bytes == round(sum(map(len, photos)) / 2)
    assert min(speed.decode_ms, speed.infer_ms) > 0


def test_a_photo_that_cannot_be_decoded(predictor: Predictor) -> None:
    with pytest.raises(UndecodableImage):
        measure_speed(predictor, [make_image()[:-40]], seconds=0)


def test_the_machine_has_a_name() -> None:
    assert machine_name().endswith(" usable cores")
    assert not machine_name().startswith(",")
