from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from service.bundle import FP32, INT8, AbstainSpec, ModelSpec, OodSpec, SetSpec, Spec, canonical_json
from service.pixels import Limits, PixelSpec
from tests.service.bundle.helpers import refusal

OOD = OodSpec(method="mahalanobis", threshold=123.4, false_alarms=0.01, images=296)
ABSTAIN = AbstainSpec(threshold=0.62, max_error=0.02, confidence=0.95, coverage=0.83, images=296, independent=False)
SET = SetSpec(level=0.95, quantile=0.93, images=296)
PIXELS = PixelSpec(size=224, resize_short=256)
BEARS = Spec(
    task="classification",
    classes=("black", "grizzly"),
    pixels=PIXELS,
    models={FP32: ModelSpec(), INT8: ModelSpec(temperature=0.9, abstain=ABSTAIN, ood=OOD, set=SET)},
    golden="validation",
    groups=("bear", "bear"),
    limits_of_use=("Not for pandas.",),
)
SCENES = Spec(
    task="multilabel",
    classes=("sky",),
    pixels=PIXELS,
    models={FP32: ModelSpec(thresholds=(0.25,), temperature=1.5)},
    limits=Limits(max_pixels=9, max_side_ratio=3),
)


def read(value: dict[str, Any]) -> Spec:
    return Spec.from_json(value, models=[FP32])


def with_model_field(spec: Spec, field: str, value: object) -> dict[str, Any]:
    """The spec as JSON, with another value for a field of model.onnx."""
    found: dict[str, Any] = spec.to_json()
    found["models"][FP32][field] = value
    return found


@pytest.mark.parametrize("spec", [BEARS, SCENES], ids=lambda spec: spec.task)
def test_a_spec_survives_json(spec: Spec) -> None:
    data = canonical_json.dumps(spec.to_json())
    assert Spec.from_json(canonical_json.loads(data, "spec.json"), models=spec.models) == spec


def test_activation_follows_the_task() -> None:
    assert (BEARS.activation, SCENES.activation) == ("softmax", "sigmoid")


@pytest.mark.parametrize(
    "field", ["task", "classes", "pixels", "activation", "limits", "models", "golden", "limits_of_use"]
)
def test_missing_field_is_named(field: str) -> None:
    value = BEARS.to_json()
    del value[field]
    line = refusal(lambda: read(value))
    assert line == f"spec.json has no field '{field}'"


def test_missing_field_of_a_model_is_named() -> None:
    value: dict[str, Any] = BEARS.to_json()
    del value["models"][FP32]["temperature"]
    assert refusal(lambda: read(value)) == "spec.json: model.onnx has no field 'temperature'"


def test_multilabel_needs_thresholds() -> None:
    value: dict[str, Any] = SCENES.to_json()
    del value["models"][FP32]["thresholds"]
    assert "'thresholds'" in refusal(lambda: read(value))


def test_groups_are_optional() -> None:
    value = BEARS.to_json()
    del value["groups"]
    assert read(value).groups == ()


def test_what_later_versions_say_of_a_model_file_is_passed_over() -> None:
    value = with_model_field(BEARS, "prompt", {"words": 3})
    value["models"][FP32]["ood"] = {**dataclasses.asdict(OOD), "auc": 0.99}
    assert read(value).models == {FP32: ModelSpec(ood=OOD)}


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
        (BEARS, "limits", None),
        (BEARS, "limits", {"max_pixels": 0}),
        (BEARS, "limits", {"max_pixels": 1.5}),
        (BEARS, "limits", {"max_side_ratio": True}),
        (BEARS, "limits", {"max_bytes": 5}),
        (BEARS, "models", None),
        (BEARS, "models", []),
        (BEARS, "models", {FP32: None}),
        (BEARS, "golden", "mine"),
        (BEARS, "golden", None),
        (BEARS, "groups", ["bear"]),
        (BEARS, "groups", ["bear", 5]),
        (BEARS, "groups", "ab"),
        (BEARS, "limits_of_use", "Not for pandas."),
        (BEARS, "limits_of_use", [""]),
        (BEARS, "limits_of_use", [5]),
        (SCENES, "classes", []),
        (SCENES, "activation", "softmax"),
    ],
)
def test_invalid_field_is_refused(spec: Spec, field: str, wrong: Any) -> None:
    line = refusal(lambda: read({**spec.to_json(), field: wrong}))
    assert line.startswith("spec.json: ")


@pytest.mark.parametrize(
    ("spec", "field", "wrong"),
    [
        (BEARS, "temperature", 0),
        (BEARS, "temperature", -1.0),
        (BEARS, "temperature", "1"),
        (BEARS, "temperature", True),
        (BEARS, "temperature", None),
        (BEARS, "temperature", 10**400),
        (SCENES, "thresholds", []),
        (SCENES, "thresholds", [0.5, 0.5]),
        (SCENES, "thresholds", [2]),
        (SCENES, "thresholds", [-0.1]),
        (SCENES, "thresholds", [1.01]),
        (SCENES, "thresholds", ["0"]),
        (SCENES, "thresholds", [True]),
        (SCENES, "thresholds", 0.5),
        (SCENES, "thresholds", "1"),
        (SCENES, "set", dataclasses.asdict(SET)),
        (BEARS, "ood", None),
        (BEARS, "abstain", []),
        (BEARS, "set", 0.95),
    ],
)
def test_invalid_field_of_a_model_is_refused(spec: Spec, field: str, wrong: Any) -> None:
    line = refusal(lambda: read(with_model_field(spec, field, wrong)))
    assert line.startswith("spec.json: model.onnx")


@pytest.mark.parametrize(
    ("member", "field", "wrong"),
    [
        ("ood", "method", ""),
        ("ood", "method", 5),
        ("ood", "threshold", "1"),
        ("ood", "threshold", 10**400),
        ("ood", "threshold", True),
        ("ood", "false_alarms", 1.01),
        ("ood", "images", 0),
        ("ood", "images", 2.0),
        ("abstain", "threshold", -0.1),
        ("abstain", "threshold", 1.01),
        ("abstain", "threshold", None),
        ("abstain", "max_error", 0),
        ("abstain", "max_error", 1),
        ("abstain", "confidence", 1.0),
        ("abstain", "coverage", [1]),
        ("abstain", "images", True),
        ("abstain", "independent", 1),
        ("set", "level", 0),
        ("set", "level", 1),
        ("set", "quantile", 2),
        ("set", "images", -1),
    ],
)
def test_invalid_field_of_a_member_is_refused(member: str, field: str, wrong: object) -> None:
    value = {"ood": OOD, "abstain": ABSTAIN, "set": SET}[member]
    line = refusal(lambda: read(with_model_field(BEARS, member, {**dataclasses.asdict(value), field: wrong})))
    assert line.startswith(f"spec.json: model.onnx: {member}: {field} must be ")


@pytest.mark.parametrize("member", [OOD, ABSTAIN, SET])
def test_missing_field_of_a_member_is_named(member: object) -> None:
    name = {OodSpec: "ood", AbstainSpec: "abstain", SetSpec: "set"}[type(member)]
    value = dataclasses.asdict(member)
    missing = next(iter(value))
    del value[missing]
    line = refusal(lambda: read(with_model_field(BEARS, name, value)))
    assert line == f"spec.json: model.onnx: {name} has no field '{missing}'"


@pytest.mark.parametrize("temperature", [1, 0.01, 20.5])
def test_any_number_over_zero_is_a_temperature(temperature: float) -> None:
    assert read(with_model_field(BEARS, "temperature", temperature)).models[FP32].temperature == temperature
