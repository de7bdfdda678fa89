"""A model that gives no label if it does not know, and the labels that it cannot exclude."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from service.abstention import label_set, reason_to_abstain
from service.bundle import AbstainSpec, Bundle, BundleRefused, ModelSpec, OodSpec, SetSpec, read_bundle
from service.prediction import Ranking
from service.predictor import Predictor
from service.responses import analyze_response, check_finite
from tests.support.bundles import ABSTAIN, COLOURS, OOD, SET, make_head, make_image, make_model, write_tiny_bundle

WHITE, GREY, RED = (make_image(colour, shade=1) for colour in ("white", "#a0a0a0", "red"))


@pytest.fixture(scope="module")
def bundle(doubtful_path: Path) -> Bundle:
    """White is unknown, grey is unsure, red is known."""
    return read_bundle(doubtful_path)


@pytest.fixture(scope="module")
def predictor(bundle: Bundle) -> Predictor:
    return Predictor(bundle)


def test_a_strange_image_is_unknown(predictor: Predictor) -> None:
    found = predictor.predict(WHITE)
    assert (found.abstained, found.labels, found.ood) == ("unknown", (), pytest.approx(1))
    assert [label.label for label in found.candidates] == ["red"]
    assert len(found.ranked) == 3


def test_an_uncertain_prediction_is_unsure(predictor: Predictor) -> None:
    found = predictor.predict(GREY)
    assert (found.abstained, found.labels) == ("unsure", ())
    assert found.ood is not None
    assert found.ood < 0.7
    assert analyze_response(found) == {"result": ""}


def test_what_it_knows_has_its_label(predictor: Predictor) -> None:
    found = predictor.predict(RED)
    assert (found.abstained, [label.label for label in found.labels], found.ood) == (None, ["red"], 0)
    assert found.label_set == ("red",)


def test_a_heatmap_changes_nothing(predictor: Predictor) -> None:
    found = predictor.predict(WHITE, heatmap=True)
    assert (found.abstained, found.ood) == ("unknown", pytest.approx(1))
    assert found.heatmap is not None


def test_without_abstention_there_always_is_a_label(bundle: Bundle) -> None:
    quiet = Predictor(bundle, abstain=False)
    for image in (WHITE, GREY, RED):
        found = quiet.predict(image)
        assert (found.abstained, found.ood) == (None, None)
        assert [label.label for label in found.labels] == ["red"]
    assert quiet.predict(GREY).label_set == COLOURS  # sets stay


@pytest.mark.parametrize(
    ("threshold", "expected"), [(0.25, "unknown"), (float(np.nextafter(0.5, 0)), "unknown"), (0.5, None), (0.75, None)]
)
def test_only_above_the_threshold_an_image_is_strange(threshold: float, expected: str | None) -> None:
    chosen = ModelSpec(ood=OodSpec(**{**OOD, "threshold": threshold}))  # type: ignore[arg-type]
    probabilities = np.array([0.9, 0.1], dtype=np.float32)
    assert reason_to_abstain(probabilities, 0.5, task="classification", chosen=chosen) == expected


@pytest.mark.parametrize(("threshold", "expected"), [(0.5, None), (0.75, None), (0.7501, "unsure"), (1, "unsure")])
def test_only_below_the_threshold_a_prediction_is_uncertain(threshold: float, expected: str | None) -> None:
    chosen = ModelSpec(abstain=AbstainSpec(**{**ABSTAIN, "threshold": threshold}))  # type: ignore[arg-type]
    probabilities = np.array([0.25, 0.75], dtype=np.float32)
    assert reason_to_abstain(probabilities, None, task="classification", chosen=chosen) == expected


def test_the_certainty_of_several_labels_is_that_of_the_least_certain_class() -> None:
    """0.6 is a label at its threshold of 0.5: right with 0.6. 0.3 is none: right with 0.7."""
    chosen = ModelSpec(thresholds=(0.5, 0.5), abstain=AbstainSpec(**{**ABSTAIN, "threshold": 0.65}))  # type: ignore[arg-type]

    def reason(*probabilities: float) -> str | None:
        return reason_to_abstain(np.array(probabilities, np.float32), None, task="multilabel", chosen=chosen)

    assert reason(0.6, 0.3) == "unsure"
    assert reason(0.7, 0.3) is None
    assert reason(0.7, 0.4) == "unsure"


def test_several_labels_of_an_abstained_prediction_are_none(tmp_path: Path) -> None:
    path = write_tiny_bundle(tmp_path / "b", task="multilabel", ood={"threshold": 0.7}, abstain={"threshold": 0.6})
    predictor = Predictor(read_bundle(path))
    assert predictor.predict(WHITE).labels == ()
    assert predictor.predict(WHITE).abstained == "unknown"
    yellow = predictor.predict(make_image("yellow", shade=1))
    assert {label.label for label in yellow.labels} == {"red", "green"}


@pytest.mark.parametrize(
    ("quantile", "expected"), [(0.5, ("b",)), (0.75, ("b", "a")), (0.4, ()), (1, ("b", "a", "c")), (0, ())]
)
def test_a_set_has_the_labels_that_are_not_excluded(quantile: float, expected: tuple[str, ...]) -> None:
    chosen = ModelSpec(set=SetSpec(**{**SET, "quantile": quantile}))  # type: ignore[arg-type]
    ranked = Ranking("abc", np.array([0.25, 0.5, 0.125], dtype=np.float32))
    assert label_set(ranked, chosen) == expected
    assert label_set(ranked, ModelSpec()) is None


def test_each_file_has_thresholds_of_its_own(bundle: Bundle) -> None:
    models = {**bundle.spec.models, "model.int8.onnx": ModelSpec()}
    other = dataclasses.replace(bundle, spec=dataclasses.replace(bundle.spec, models=models))
    found = Predictor(other, model_file="model.int8.onnx").predict(WHITE)
    assert (found.abstained, found.ood, found.label_set) == (None, None, None)
    assert Predictor(other).predict(WHITE).abstained == "unknown"


def test_the_output_without_a_threshold_is_left_alone(bundle: Bundle) -> None:
    models = dict.fromkeys(bundle.spec.models, ModelSpec())
    found = Predictor(dataclasses.replace(bundle, spec=dataclasses.replace(bundle.spec, models=models))).predict(WHITE)
    assert (found.ood, found.abstained) == (None, None)


@pytest.mark.parametrize("abstain", [True, False])
def test_a_threshold_without_the_output_refuses_the_file(bundle: Bundle, abstain: bool) -> None:
    without = dataclasses.replace(bundle, models={**bundle.models, "model.onnx": make_model(make_head(3))})
    with pytest.raises(BundleRefused, match=r"model\.onnx has no output float32 \[N\] named 'ood'"):
        Predictor(without, abstain=abstain)


def test_an_output_of_another_shape_refuses_the_file(bundle: Bundle) -> None:
    model = onnx.load_from_string(bundle.models["model.onnx"])
    model.graph.node[-1].attribute[1].i = 1  # keepdims: [N, 1]
    model.graph.output[-1].type.tensor_type.shape.dim.add().dim_value = 1
    other = dataclasses.replace(bundle, models={**bundle.models, "model.onnx": model.SerializeToString()})
    with pytest.raises(BundleRefused, match="no output float32"):
        Predictor(other)


def test_an_output_that_is_not_finite_refuses_the_file(bundle: Bundle) -> None:
    """The golden images are computed with everything that a request can ask for."""
    other = dataclasses.replace(bundle, models={**bundle.models, "model.onnx": _with_broken_ood(bundle)})
    with pytest.raises(BundleRefused, match="'ood' is not finite"):
        Predictor(other)
    assert Predictor(other, abstain=False).predict(RED).abstained is None


def test_a_number_that_is_not_finite_is_no_answer(predictor: Predictor) -> None:
    found = predictor.predict(RED)
    for wrong in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="ood that is not a finite number"):
            check_finite(dataclasses.replace(found, ood=wrong))


def test_a_blank_image_is_run_with_the_output(predictor: Predictor) -> None:
    predictor.classify_blank(keep_memory=True)
    assert predictor.ood(np.zeros((2, 32, 32, 3), np.uint8)).tolist() == [0, 0]


def _with_broken_ood(bundle: Bundle) -> bytes:
    model = onnx.load_from_string(bundle.models["model.onnx"])
    model.graph.node[-1].output[0] = "darkest"
    nan: Any = numpy_helper.from_array(np.array(np.nan, np.float32), "nan")
    model.graph.initializer.append(nan)
    model.graph.node.append(onnx.helper.make_node("Add", ["darkest", "nan"], ["ood"]))
    data: bytes = model.SerializeToString()
    return data
