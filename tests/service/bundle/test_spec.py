from __future__ import annotations

from typing import Any

import pytest

from service.bundle import Spec, canonical_json
from service.pixels import Limits, PixelSpec
from tests.service.bundle.helpers import refusal

PIXELS = PixelSpec(size=224, resize_short=256)
BEARS = Spec(task="classification", classes=("black", "grizzly"), pixels=PIXELS, thresholds=(0.5,))
SCENES = Spec(
    task="multilabel",
    classes=("sky",),
    pixels=PIXELS,
    thresholds=(0.25,),
    temperature=1.5,
    limits=Limits(max_pixels=9, max_side_ratio=3),
)


@pytest.mark.parametrize("spec", [BEARS, SCENES], ids=lambda spec: spec.task)
def test_a_spec_survives_json(spec: Spec) -> None:
    data = canonical_json.dumps(spec.to_json())
    assert Spec.from_json(canonical_json.loads(data, "spec.json")) == spec


def test_activation_follows_the_task() -> None:
    assert (BEARS.activation, SCENES.activation) == ("softmax", "sigmoid")


@pytest.mark.parametrize("field", ["task", "classes", "pixels", "activation", "temperature", "limits", "threshold"])
def test_missing_field_is_named(field: str) -> None:
    value = BEARS.to_json()
    del value[field]
    line = refusal(lambda: Spec.from_json(value))
    assert line == f"spec.json has no field '{field}'"


def test_multilabel_needs_thresholds() -> None:
    value = SCENES.to_json()
    value["threshold"] = value.pop("thresholds")
    assert "'thresholds'" in refusal(lambda: Spec.from_json(value))


@pytest.mark.parametrize(
    ("spec", "field", "wrong"),
    [
        (BEARS, "task", "segmentation"),
        (BEARS, "task", ["classification"]),
        (BEARS, "task", None),
        (BEARS, "classes", []),
        (BEARS, "classes", ["bear"]),
        (BEARS, "classes", ["a", "b", "a"]),
        (BEARS, "classes", ["a", ""]),
        (BEARS, "classes", ["a", 5]),
        (BEARS, "classes", ["a", ["b"]]),
        (BEARS, "classes", "ab"),
        (BEARS, "classes", {"a": 0, "b": 1}),
        (BEARS, "classes", 2),
        (BEARS, "pixels", None),
        (BEARS, "pixels", {}),
        (BEARS, "pixels", ["size", "resize_short", "mode", "filter"]),
        (BEARS, "pixels", {**PIXELS.to_json(), "size": 0}),
        (BEARS, "pixels", {**PIXELS.to_json(), "mean": 0.5}),
        (BEARS, "activation", "sigmoid"),
        (BEARS, "activation", None),
        (BEARS, "temperature", 0),
        (BEARS, "temperature", -1.0),
        (BEARS, "temperature", "1"),
        (BEARS, "temperature", True),
        (BEARS, "temperature", None),
        (BEARS, "threshold", 1.01),
        (BEARS, "threshold", -0.1),
        (BEARS, "threshold", 10**400),
        (BEARS, "threshold", "0"),
        (BEARS, "threshold", True),
        (BEARS, "threshold", [0.5]),
        (BEARS, "limits", None),
        (BEARS, "limits", {"max_pixels": 0}),
        (BEARS, "limits", {"max_pixels": 1.5}),
        (BEARS, "limits", {"max_side_ratio": True}),
        (BEARS, "limits", {"max_bytes": 5}),
        (SCENES, "classes", []),
        (SCENES, "thresholds", []),
        (SCENES, "thresholds", [0.5, 0.5]),
        (SCENES, "thresholds", [2]),
        (SCENES, "thresholds", 0.5),
        (SCENES, "thresholds", "1"),
        (SCENES, "activation", "softmax"),
    ],
)
def test_invalid_field_is_refused(spec: Spec, field: str, wrong: Any) -> None:
    line = refusal(lambda: Spec.from_json({**spec.to_json(), field: wrong}))
    assert line.startswith("spec.json: ")


@pytest.mark.parametrize("temperature", [1, 0.01, 20.5])
def test_any_number_over_zero_is_a_temperature(temperature: float) -> None:
    assert Spec.from_json({**BEARS.to_json(), "temperature": temperature}).temperature == temperature
