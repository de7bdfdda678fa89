"""Images are decoded within limits and encoded again."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from service.bundle import read_bundle
from service.pixels import ImageError
from service.predictor import Predictor
from service.problem import Problem
from tests.support.bundles import write_tiny_bundle
from trainer.catalog import Row
from trainer.cleaning.web.images import PHOTO_PIXELS, THUMB_PIXELS, read_image, render, render_heatmap, size_of


def encoded(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize(("width", "height"), [(2000, 1500), (150, 2000), (20, 10), (1601, 160)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_large_image_is_reduced_with_its_proportions_and_a_small_one_stays(
    width: int, height: int, kind: str
) -> None:
    data = encoded(noise(width, height).resize((width, height)), kind)
    for pixels in (THUMB_PIXELS, PHOTO_PIXELS):
        shown = Image.open(io.BytesIO(render(data, pixels)))
        assert shown.format == "JPEG"
        scale = min(1, pixels / max(width, height))
        assert abs(shown.width - width * scale) <= 1
        assert abs(shown.height - height * scale) <= 1
    assert (size_of(data).width, size_of(data).height, size_of(data).bytes) == (width, height, len(data))


def test_nothing_of_the_file_but_its_pixels_is_sent() -> None:
    exif = Image.Exif()
    exif[0x010F] = "a secret camera"
    exif[0x0112] = 6  # turned by a quarter
    data = encoded(noise(40, 20), exif=exif, comment=b"a secret comment")
    sent = render(data + b"<script>trailing</script>", THUMB_PIXELS)
    shown = Image.open(io.BytesIO(sent))
    assert shown.size == (20, 40)
    assert not shown.getexif()
    assert b"secret" not in sent
    assert b"script" not in sent


@pytest.mark.parametrize(
    "data", [b"", b"text", b"<svg xmlns='http://www.w3.org/2000/svg'/>", encoded(noise(9, 9))[:99]]
)
def test_what_is_no_image_is_not_sent(data: bytes) -> None:
    with pytest.raises(ImageError):
        render(encoded(noise(9, 9))[:99] if data == b"cut off" else data, THUMB_PIXELS)


def test_an_image_over_the_limits_is_not_decoded() -> None:
    with pytest.raises(ImageError, match="pixels"):
        render(encoded(Image.new("1", (20_000, 20_000)), "PNG"), THUMB_PIXELS)


def test_only_the_bytes_of_the_catalog_are_read(tmp_path: Path) -> None:
    data = encoded(noise(9, 9))
    row = Row(path="1.jpg", labels=frozenset(), split="train", sha256=hashlib.sha256(data).hexdigest())
    with pytest.raises(Problem) as problem:
        read_image(tmp_path, row)
    assert problem.value.status == 404
    (tmp_path / "1.jpg").write_bytes(data)
    assert read_image(tmp_path, row) == data
    (tmp_path / "1.jpg").write_bytes(data + b" ")
    with pytest.raises(Problem) as problem:
        read_image(tmp_path, row)
    assert problem.value.status == 409


def test_a_heatmap_covers_the_whole_image(tmp_path: Path) -> None:
    predictor = Predictor(read_bundle(write_tiny_bundle(tmp_path / "bundle")))
    for width, height in ((100, 50), (50, 100), (64, 64)):
        shown = Image.open(
            io.BytesIO(render_heatmap(encoded(noise(width, height)), predictor, predictor.spec.classes[0]))
        )
        assert (shown.format, shown.mode) == ("PNG", "RGBA")
        assert max(shown.size) == 400
        assert shown.width / shown.height == pytest.approx(width / height, rel=0.02)
    with pytest.raises(Problem, match="no heatmap of this class"):
        render_heatmap(encoded(noise(9, 9)), predictor, "unknown")
