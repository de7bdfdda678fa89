from __future__ import annotations

import io
import re
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from service.pixels import PixelSpec, load
from tests.support.photos import draw
from trainer.export.golden import synthetic_images, validation_images

SPEC = PixelSpec(size=64, resize_short=64)


def test_synthetic_images_have_every_format_and_are_the_same_every_time() -> None:
    images = synthetic_images()
    loaded = {path: load(data, SPEC) for path, data in images.items()}
    assert {picture.format for picture in loaded.values()} == {"JPEG", "PNG", "WEBP"}
    large = loaded["golden/4.jpg"]
    assert (large.width, large.height) == (3000, 4000)  # stored 4000 x 3000, turned by orientation 6
    assert Image.open(io.BytesIO(images["golden/4.jpg"])).getexif()[0x0112] == 6
    assert Image.open(io.BytesIO(images["golden/2.png"])).mode == "RGBA"
    assert images == synthetic_images()
    assert sum(map(len, images.values())) < 2_000_000


def test_validation_images_are_encoded_in_the_same_formats(tmp_path: Path) -> None:
    draw("red", 1).save(tmp_path / "1.png")
    images = validation_images([tmp_path / "1.png"])
    assert {load(data, SPEC).format for data in images.values()} == {"JPEG", "PNG", "WEBP"}
    assert load(images["golden/4.jpg"], SPEC).height == 4000


def test_four_validation_images_are_taken_from_the_whole_list(tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.png" for number in range(10)]
    for number, path in enumerate(files):
        Image.new("RGB", (8, 8), (20 * number, 0, 0)).save(path)
    reds = [load(data, SPEC).pixels[32, 32, 0] for data in validation_images(files).values()]
    assert [round(int(red) / 20) for red in reds] == [0, 3, 6, 9]


def test_metadata_of_validation_images_is_left_out(tmp_path: Path) -> None:
    """Comments and colour profiles came into the bundle; they may name persons, places and devices."""
    exif, text = Image.Exif(), PngInfo()
    exif[0x010E] = "PRIVATE_EXIF"
    text.add_text("Comment", "PRIVATE_TEXT")
    profile, xmp = b"PRIVATE_PROFILE" * 10, b"PRIVATE_XMP"
    draw("red", 1).save(tmp_path / "1.jpg", comment=b"PRIVATE_COMMENT", exif=exif, icc_profile=profile, xmp=xmp)
    draw("red", 2).save(tmp_path / "2.png", pnginfo=text, exif=exif, icc_profile=profile)
    draw("red", 3).save(tmp_path / "3.webp", exif=exif, icc_profile=profile, xmp=xmp)
    for name in ("1.jpg", "2.png", "3.webp"):
        for data in validation_images([tmp_path / name]).values():
            assert not re.findall(b"PRIVATE|iCCP|ICCP|ICC_PROFILE", data)
