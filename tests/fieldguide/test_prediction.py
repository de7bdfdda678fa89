"""`fieldguide.load(...).predict`: the same answers for the same image, however it is given."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import fieldguide
from service.bundle import read_bundle
from service.pixels import UndecodableImage, UnsupportedImage
from service.predictor import Predictor
from tests.support.bundles import COLOURS, make_image, write_tiny_bundle


@pytest.fixture(scope="module")
def predictor(bundle_path: Path) -> fieldguide.Predictor:
    return fieldguide.load(bundle_path)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    path.write_bytes(make_image("green"))
    return path


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def test_every_form_of_an_image_gets_the_answer_of_the_service(
    predictor: fieldguide.Predictor, bundle_path: Path, photo: Path
) -> None:
    data = photo.read_bytes()
    expected = Predictor(read_bundle(bundle_path)).predict(data).probabilities
    with open(photo, "rb") as file, Image.open(photo) as opened:
        pixels = np.asarray(opened.convert("RGB"))
        sources = [
            *(photo, str(photo), data, bytearray(data), memoryview(data), file, io.BytesIO(data), opened, pixels),
            np.ascontiguousarray(pixels[:, ::-1])[:, ::-1],  # a view
            np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)]),
        ]
        for source in sources:
            prediction = predictor.predict(source)
            assert np.array_equal(prediction.probabilities, expected), type(source)
            assert prediction.best.label == "green"


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "CMYK", "I;16", "I", "F", "YCbCr", "LAB", "HSV"])
def test_pil_images_of_every_mode(predictor: fieldguide.Predictor, mode: str) -> None:
    source = Image.new("RGB", (40, 30), "white")
    if mode in ("I;16", "I"):
        source = Image.fromarray(np.full((30, 40), 65535, np.uint16))
        image = source if mode == "I;16" else source.convert("I")
    else:
        image = (
            source.convert("L").convert(mode)
            if mode in ("I;16", "I", "F")
            else source.convert(mode)
            if mode != "LAB"
            else Image.new("LAB", (40, 30))
        )
    before = image.tobytes()
    prediction = predictor.predict(image)
    assert (prediction.picture.width, prediction.picture.height) == (40, 30)
    assert image.tobytes() == before
    if mode in ("RGB", "RGBA", "L", "LA", "P", "1", "CMYK", "I;16", "I", "YCbCr"):
        assert prediction.picture.pixels.min() > 250


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_pil_image_is_turned_upright_like_its_file(predictor: fieldguide.Predictor, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 44, 3), dtype=np.uint8))
    data = encoded(noise, "png", exif=exif)
    with Image.open(io.BytesIO(data)) as opened:
        shown, expected = predictor.load(opened), predictor.load(data)
    assert np.array_equal(shown.pixels, expected.pixels)
    assert (shown.width, shown.height, shown.box) == (expected.width, expected.height, expected.box)


def test_a_grey_array_is_grey(predictor: fieldguide.Predictor) -> None:
    grey = np.full((30, 40), 77, np.uint8)
    for array in (grey, grey[:, :, None]):
        assert set(predictor.load(array).pixels.ravel().tolist()) == {77}


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        (3, TypeError, "an image is bytes, a path, a file, a PIL image or an array, not builtins.int"),
        (None, TypeError, "not builtins.NoneType"),
        (np.zeros((3, 8, 8), np.uint8), TypeError, r"1, 3 or 4 channels, not uint8 \[3, 8, 8\]"),
        (np.zeros((8, 8, 3), np.float32), TypeError, "an array must be uint8"),
        (np.zeros((2, 8, 8, 3), np.uint8), TypeError, r"not uint8 \[2, 8, 8, 3\]"),
        (np.zeros((0, 8, 3), np.uint8), UndecodableImage, "no pixels"),
        (io.StringIO("text"), TypeError, "open it with mode 'rb'"),
        ("https://example.org/bear.jpg", ValueError, "no address is fetched"),
        ("missing.jpg", FileNotFoundError, "missing.jpg"),
        (b"<svg/>", UnsupportedImage, "not an image in an accepted format"),
        (b"\xff\xd8\xff broken", UndecodableImage, "damaged"),
    ],
)
def test_what_is_not_an_image_is_one_clear_error(
    predictor: fieldguide.Predictor, image: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        predictor.predict(image)


def test_a_truncated_file_that_pil_has_opened(predictor: fieldguide.Predictor) -> None:
    data = encoded(Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 90, 3), dtype=np.uint8)), "png")
    with (
        Image.open(io.BytesIO(data[: len(data) // 2])) as opened,
        pytest.raises(fieldguide.ImageError, match="damaged"),
    ):
        predictor.predict(opened)


def test_how_a_prediction_and_a_predictor_read(predictor: fieldguide.Predictor, photo: Path) -> None:
    assert repr(predictor) == "Predictor('colours', version 1, 3 classes)"
    text = repr(predictor.predict(photo))
    assert text.startswith("Prediction('green' 0.")
    assert text.count(",") == 2


def test_a_prediction_that_is_abstained_says_why(tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "b", ood={}, label_set={})
    white = make_image("white", shade=1)
    found = fieldguide.load(bundle).predict(white)
    assert (found.abstained, found.label, found.labels, found.label_set) == ("unknown", None, (), COLOURS)
    assert repr(found).startswith("Prediction(unknown; 'red' 0.")
    assert '<p class="title">(unknown)</p>' in found._repr_html_()
    answered = fieldguide.load(bundle, abstain=False).predict(white)
    assert (answered.abstained, answered.label) == (None, "red")


def test_a_model_file_can_be_chosen(tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "b", with_int8=True)
    for model, file in (("fp32", "model.onnx"), ("int8", "model.int8.onnx")):
        predictor = fieldguide.load(bundle, model=model)
        assert (predictor.model_file, predictor.model_reason) == (file, "it was asked for")
    with pytest.raises(ValueError, match="must be one of auto, fp32, int8"):
        fieldguide.load(bundle, model="int4")


def test_a_prediction_shows_itself_in_a_notebook(predictor: fieldguide.Predictor, photo: Path) -> None:
    plain, with_heatmap = (predictor.predict(photo, heatmap=wanted)._repr_html_() for wanted in (False, True))
    assert plain.count("<img") == 1
    assert with_heatmap.count("<img") == 2
    assert plain.count("<li>") == 3
    assert ">green<" in plain


def test_a_bundle_that_is_damaged_or_missing(tmp_path: Path) -> None:
    with pytest.raises(fieldguide.BundleRefused):
        fieldguide.load(tmp_path / "nothing")
