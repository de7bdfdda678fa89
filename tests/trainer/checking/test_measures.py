from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tests.trainer.checking.pictures import blurred, dark, light, picture
from trainer.checking.measures import MEASURED, Measures, measure


def measured(image: Image.Image) -> Measures:
    return measure(np.asarray(image.resize((MEASURED.size, MEASURED.size), Image.Resampling.BICUBIC)))


@pytest.mark.parametrize("grey", [0, 51, 255])
def test_one_colour(grey: int) -> None:
    result = measured(Image.new("RGB", (200, 100), (grey, grey, grey)))
    assert result.brightness == pytest.approx(grey / 255)
    assert result.light == result.dark == pytest.approx(grey / 255)
    assert result.spread == result.sharpness == 0


def test_the_spread_is_over_colours_too() -> None:
    """Red and green of one luma are not one colour."""
    two = Image.new("RGB", (100, 100), (200, 0, 0))
    two.paste((0, 102, 0), (0, 0, 50, 100))
    assert measured(two).spread > 0.7
    assert measured(two).light - measured(two).dark < 0.01


@pytest.mark.parametrize("number", range(8))
def test_dark_light_and_blurred_pictures(number: int) -> None:
    plain = picture(number)
    original = measured(plain)
    assert measured(dark(plain)).light < 0.15 < original.light
    assert measured(light(plain)).dark > 0.8 > original.dark
    assert measured(blurred(plain)).sharpness < 0.4 * original.sharpness


@pytest.mark.parametrize("number", range(8))
def test_sharpness_does_not_depend_on_contrast_brightness_or_a_larger_size(number: int) -> None:
    plain = picture(number)
    expected = measured(plain).sharpness
    assert measured(Image.blend(plain, Image.new("RGB", plain.size, "grey"), 0.5)).sharpness == pytest.approx(
        expected, rel=0.1
    )
    large = plain.resize((plain.width * 4, plain.height * 4), Image.Resampling.BICUBIC)
    assert measured(large).sharpness == pytest.approx(expected, rel=0.15)
