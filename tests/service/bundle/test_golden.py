from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from service.bundle import golden
from service.bundle.golden import INDEX, GoldenImage
from tests.service.bundle.helpers import edited, refusal, tiny_files

MODELS = ("model.onnx", "model.int8.onnx")


def parse(files: dict[str, bytes] | None = None) -> tuple[GoldenImage, ...]:
    return golden.parse({**tiny_files(), **(files or {})}, models=MODELS, class_count=3)


def refusal_of_index(change: Callable[[dict[str, Any]], object]) -> str:
    return refusal(lambda: parse(edited(INDEX, change)))


def images(count: int) -> bytes:
    """golden.json with its images repeated."""
    value = json.loads(tiny_files()[INDEX])
    return json.dumps({"images": (4 * value["images"])[:count]}).encode()


def refusal_of_model(change: Callable[[dict[str, Any]], object]) -> str:
    return refusal_of_index(lambda value: change(value["images"][1]["models"]["model.onnx"]))


def test_parse_returns_what_was_encoded() -> None:
    found = parse()
    assert [image.path for image in found] == ["golden/0.jpeg", "golden/1.png", "golden/2.webp"]
    assert all(image.data == tiny_files()[image.path] for image in found)
    assert golden.encode(found) == tiny_files()[INDEX]
    assert {values.dtype for image in found for values in image.probabilities.values()} == {np.dtype(np.float32)}


@pytest.mark.parametrize("count", [3, 10])
def test_three_to_ten_images_are_accepted(count: int) -> None:
    assert len(parse({INDEX: images(count)})) == count


@pytest.mark.parametrize("count", [0, 2, 11])
def test_too_few_or_many_images_are_refused(count: int) -> None:
    assert f"{INDEX} lists {count} images" in refusal(lambda: parse({INDEX: images(count)}))


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value.pop("images"),
        lambda value: value.update(images={}),
        lambda value: value.update(images=None),
        lambda value: value.update(images=[1, 2, 3]),
        lambda value: value["images"][0].pop("path"),
        lambda value: value["images"][0].update(path="golden/none.png"),
        lambda value: value["images"][0].update(path="../../etc/passwd"),
        lambda value: value["images"][0].update(path=["golden/1.png"]),
        lambda value: value["images"][0].pop("pixels_sha256"),
        lambda value: value["images"][0].update(pixels_sha256=None),
        lambda value: value["images"][0].update(pixels_sha256="no hash"),
        lambda value: value["images"][0].pop("models"),
        lambda value: value["images"][0].update(models=[]),
        lambda value: value["images"][0]["models"].pop("model.int8.onnx"),
        lambda value: value["images"][0]["models"].update({"model.onnx": 1}),
    ],
)
def test_malformed_index_is_refused(change: Callable[[dict[str, Any]], object]) -> None:
    assert INDEX in refusal_of_index(change)


@pytest.mark.parametrize("tolerance", [0, 0.0, -1e-4, 0.11, 1, 10**400, "0.01", True, None, [0.01]])
def test_tolerance_out_of_range_is_refused(tolerance: object) -> None:
    line = refusal_of_model(lambda model: model.update(tolerance=tolerance))
    assert line == f"{INDEX}: the tolerance of golden/1.png is not between 0 and 0.1"


@pytest.mark.parametrize("count", [0, 2, 4])
def test_another_number_of_probabilities_than_classes_is_refused(count: int) -> None:
    line = refusal_of_model(lambda model: model.update(probabilities=[0.5] * count))
    assert line == f"{INDEX}: golden/1.png does not have one probability per class"


@pytest.mark.parametrize("wrong", [-0.1, 1.1, 10**400, 1e300, "0.5", "nan", None, True, [0.5]])
def test_invalid_probability_is_refused(wrong: object) -> None:
    assert "a probability is not" in refusal_of_model(lambda model: model.update(probabilities=[wrong, 0.5, 0.5]))


@pytest.mark.parametrize("wrong", [None, 0.5, "abc", {}])
def test_probabilities_must_be_a_list(wrong: object) -> None:
    assert INDEX in refusal_of_model(lambda model: model.update(probabilities=wrong))
