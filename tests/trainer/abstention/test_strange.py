from __future__ import annotations

import hashlib

import numpy as np
import pytest

from trainer.abstention.strange import KINDS, OF_EACH_KIND, strange_images


@pytest.mark.parametrize("size", [8, 32, 96, 224])
def test_the_images_have_every_size_and_differ(size: int) -> None:
    images = strange_images(size)
    assert images.shape == (OF_EACH_KIND * len(KINDS), size, size, 3)
    assert images.dtype == np.uint8
    assert len({hashlib.sha256(image.tobytes()).digest() for image in images}) > 0.9 * len(images)


def test_they_are_the_same_every_time() -> None:
    np.testing.assert_array_equal(strange_images(64), strange_images(64))
