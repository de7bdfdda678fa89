from __future__ import annotations

import gc
import json
import re
import weakref
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.bundle import FP32, INT8, BundleRefused, read_bundle
from service.choosing import choose_predictor
from service.predictor import Predictor
from tests.service.bundle.helpers import edited
from tests.support.bundles import ABSTAIN, make_head, make_image, make_model, write_tiny_bundle
from tests.support.int8 import write_fast_int8, write_slow_int8
from tests.support.server import RunningServer


def choose(path: Path, model: str = "auto") -> Predictor:
    return choose_predictor(read_bundle(path), model=model, kind=Predictor)


@pytest.fixture(scope="module")
def fast(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose int8 file is faster, and whose int8 file alone is never sure enough to answer."""
    spec = edited("spec.json", lambda value: value["models"][INT8].update(abstain=ABSTAIN))
    return write_fast_int8(tmp_path_factory.mktemp("fast") / "b", replace=spec)


def test_the_faster_file_runs(fast: Path) -> None:
    predictor = choose(fast)
    assert predictor.model_file == INT8
    assert re.fullmatch(r"it is [\d.e+]+ times as fast here as model\.onnx", predictor.model_reason)


def test_one_that_is_not_faster_does_not_run(tmp_path: Path) -> None:
    predictor = choose(write_slow_int8(tmp_path / "b"))
    assert predictor.model_file == FP32
    assert re.fullmatch(
        r"model\.int8\.onnx is [\d.e-]+ times as fast here, and must be 1\.2 times", predictor.model_reason
    )


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (make_model(-make_head(3)), "golden/0.jpeg: model.int8.onnx is "),
        (make_model(make_head(4)), "model.int8.onnx gives 4 probabilities"),
        (make_model(make_head(3), with_features=False), "model.int8.onnx and head.npy do not belong together"),
        (b"no model", "model.int8.onnx is not an ONNX model"),
    ],
)
def test_one_that_cannot_run_here_never_refuses_the_bundle(tmp_path: Path, data: bytes, reason: str) -> None:
    path = write_fast_int8(tmp_path / "b", replace={INT8: data})
    predictor = choose(path)
    assert predictor.model_file == FP32
    assert predictor.model_reason.startswith(f"model.int8.onnx cannot be used here: {reason}")
    with pytest.raises(BundleRefused, match=r"^model\.int8\.onnx was asked for and cannot be used: .*; choose auto or"):
        choose(path, "int8")


def test_a_bundle_without_one(tmp_path: Path) -> None:
    path = write_tiny_bundle(tmp_path / "b")
    assert choose(path).model_reason == "the bundle has no model.int8.onnx"
    with pytest.raises(BundleRefused, match=r"the bundle has no model\.int8\.onnx; choose auto or fp32"):
        choose(path, "int8")


def test_a_file_that_was_asked_for_runs_whatever_its_speed(fast: Path, tmp_path: Path) -> None:
    for model, path in (("fp32", fast), ("int8", write_slow_int8(tmp_path / "b"))):
        predictor = choose(path, model)
        assert predictor.model_file == {"fp32": FP32, "int8": INT8}[model]
        assert predictor.model_reason == "it was asked for"
    with pytest.raises(ValueError, match="must be one of auto, fp32, int8"):
        choose(fast, "fp16")


def test_what_was_chosen_is_that_of_the_file(fast: Path) -> None:
    assert choose(fast).predict(make_image("red")).labels == ()
    assert [label.label for label in choose(fast, "fp32").predict(make_image("red")).labels] == ["red"]


def test_only_the_session_of_the_chosen_file_stays(fast: Path) -> None:
    loaded: list[weakref.ref[Predictor]] = []

    class Recorded(Predictor):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            loaded.append(weakref.ref(self))

    predictor = choose_predictor(read_bundle(fast), model="auto", kind=Recorded)
    gc.collect()
    assert [reference() for reference in loaded] == [None, predictor]


def test_the_service_says_which_file_runs(fast: Path) -> None:
    with RunningServer(fast) as server, httpx.Client(base_url=server.url) as client:
        model = client.get("/v1/model").json()
        assert model["model_file"] == INT8
        assert "times as fast here" in model["model_reason"]
        assert f'model_file="{INT8}"' in client.get("/metrics").text
        assert client.post("/v1/predict", content=make_image("red")).json()["label"] is None
        assert f"{INT8} runs: {model['model_reason']}" in server.log


def test_a_variable_chooses_the_file(fast: Path) -> None:
    with RunningServer(fast, environ={"FIELDGUIDE_MODEL": "fp32"}) as server:
        model = httpx.get(f"{server.url}/v1/model").json()
        assert (model["model_file"], model["model_reason"]) == (FP32, "it was asked for")
        assert json.loads(httpx.post(f"{server.url}/v1/predict", content=make_image("red")).text)["label"] == "red"
