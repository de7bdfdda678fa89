from __future__ import annotations

import io

from PIL import Image

from service.pixels import PixelSpec, load
from tests.support.photos import draw
from trainer.export.golden import images_from, synthetic_images

SPEC = PixelSpec(size=64, resize_short=64)


def test_drawn_images_are_of_every_kind_and_the_same_every_time() -> None:
    images = synthetic_images()
    loaded = {path: load(data, SPEC) for path, data in images.items()}
    assert {picture.format for picture in loaded.values()} == {"JPEG", "PNG", "WEBP"}
    large = loaded["golden/4.jpg"]
    assert (large.width, large.height) == (3000, 4000)  # stored 4000 x 3000, turned by orientation 6
    assert Image.open(io.BytesIO(images["golden/4.jpg"])).getexif()[0x0112] == 6
    assert Image.open(io.BytesIO(images["golden/2.png"])).mode == "RGBA"
    assert images == synthetic_images()
    assert sum(map(len, images.values())) < 2_000_000


def test_images_of_the_users_take_the_same_four_kinds() -> None:
    file = io.BytesIO()
    draw("red", 1).save(file, "PNG")
    images = images_from([file.getvalue()])
    assert {load(data, SPEC).format for data in images.values()} == {"JPEG", "PNG", "WEBP"}
    assert load(images["golden/4.jpg"], SPEC).height == 4000
