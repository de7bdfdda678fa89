"""The Open Inference Protocol: with Triton's own client, and with bad requests."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from service import __version__
from service.predictor import Predictor
from tests.support.bundles import make_image, write_tiny_bundle
from tests.support.problems import assert_problem
from tests.support.server import RunningServer

IMAGE = make_image("green")
BODY: dict[str, Any] = {
    "id": "mine",
    "inputs": [
        {"name": "image", "datatype": "BYTES", "shape": [1], "data": [base64.b64encode(IMAGE).decode()]},
    ],
}


@pytest.fixture(scope="module")
def triton_client(server: RunningServer) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(server.url.removeprefix("http://")) as session:
        yield session


def image_input(data: bytes) -> triton.InferInput:
    tensor = triton.InferInput("image", [1], "BYTES")
    tensor.set_data_from_numpy(np.array([data], dtype=np.object_), binary_data=True)
    return tensor


def post(client: httpx.Client, body: dict[str, Any], path: str = "/v2/models/colours/infer") -> httpx.Response:
    return client.post(path, json=body)


def changed(*keys: str | int, to: Any) -> dict[str, Any]:
    """Return BODY with another value under the keys."""
    body = copy.deepcopy(BODY)
    at: Any = body
    for key in keys[:-1]:
        at = at[key]
    at[keys[-1]] = to
    return body


def test_health_and_metadata(triton_client: triton.InferenceServerClient) -> None:
    assert triton_client.is_server_live()
    assert triton_client.is_server_ready()
    assert triton_client.is_model_ready("colours")
    assert triton_client.is_model_ready("colours", "1")
    assert not triton_client.is_model_ready("colours", "2")
    assert not triton_client.is_model_ready("others")
    server = triton_client.get_server_metadata()
    assert (server["name"], server["version"]) == ("fieldguide", __version__)
    assert set(server["extensions"]) == {"binary_tensor_data", "classification"}
    model = triton_client.get_model_metadata("colours")
    assert model == triton_client.get_model_metadata("colours", "1")
    assert (model["name"], model["versions"]) == ("colours", ["1"])
    assert model["inputs"] == [{"name": "image", "datatype": "BYTES", "shape": [1]}]
    assert [(output["name"], output["datatype"], output["shape"]) for output in model["outputs"]] == [
        ("labels", "BYTES", [-1]),
        ("probabilities", "FP32", [3]),
    ]


@pytest.mark.parametrize("version", ["", "1"])
def test_tensors_as_bytes(triton_client: triton.InferenceServerClient, predictor: Predictor, version: str) -> None:
    result = triton_client.infer("colours", [image_input(IMAGE)], model_version=version, request_id="7")
    assert result.get_response()["id"] == "7"
    assert result.get_response()["model_version"] == "1"
    assert result.as_numpy("labels").tolist() == [b"green"]
    np.testing.assert_array_equal(result.as_numpy("probabilities"), predictor.predict(IMAGE).probabilities)


def test_tensors_as_json(triton_client: triton.InferenceServerClient, predictor: Predictor) -> None:
    outputs = [triton.InferRequestedOutput(name, binary_data=False) for name in ("probabilities", "labels")]
    result = triton_client.infer("colours", [image_input(IMAGE)], outputs=outputs)
    assert [output["name"] for output in result.get_response()["outputs"]] == ["probabilities", "labels"]
    assert result.as_numpy("labels").tolist() == ["green"]
    np.testing.assert_array_equal(result.as_numpy("probabilities"), predictor.predict(IMAGE).probabilities)


@pytest.mark.parametrize("binary", [True, False])
def test_classification_extension(triton_client: triton.InferenceServerClient, binary: bool) -> None:
    outputs = [triton.InferRequestedOutput("probabilities", binary_data=binary, class_count=2)]
    (best, second) = triton_client.infer("colours", [image_input(IMAGE)], outputs=outputs).as_numpy("probabilities")
    probability, index, label = (best.decode() if binary else best).split(":")
    assert (index, label) == ("1", "green")
    assert float(probability) == pytest.approx(0.944, abs=0.001)
    assert second != best


def test_json_alone(client: httpx.Client, predictor: Predictor) -> None:
    response = post(client, BODY).json()
    assert (response["model_name"], response["model_version"], response["id"]) == ("colours", "1", "mine")
    labels, probabilities = response["outputs"]
    assert labels == {"name": "labels", "datatype": "BYTES", "shape": [1], "data": ["green"]}
    assert probabilities["data"] == predictor.predict(IMAGE).probabilities.tolist()
    nested = changed("inputs", 0, "data", to=[BODY["inputs"][0]["data"]])
    nested["inputs"][0]["shape"] = [1, 1]
    assert post(client, nested).json() == response


def test_no_label_is_an_empty_tensor(multilabel_client: httpx.Client) -> None:
    with triton.InferenceServerClient(
        f"{multilabel_client.base_url.host}:{multilabel_client.base_url.port}"
    ) as session:
        result = session.infer("tags", [image_input(make_image("black"))])
    assert result.as_numpy("labels").shape == (0,)
    assert result.as_numpy("probabilities").shape == (3,)


def test_an_abstained_prediction_is_one_empty_text(plain_client: httpx.Client) -> None:
    with triton.InferenceServerClient(f"{plain_client.base_url.host}:{plain_client.base_url.port}") as session:
        result = session.infer("colours", [image_input(IMAGE)])
    assert result.as_numpy("labels").tolist() == [b""]
    assert result.as_numpy("probabilities").shape == (3,)


def test_labels_of_a_multilabel_model(multilabel_client: httpx.Client) -> None:
    body = changed("inputs", 0, "data", to=[base64.b64encode(make_image("yellow")).decode()])
    response = post(multilabel_client, body, "/v2/models/tags/infer").json()
    assert sorted(response["outputs"][0]["data"]) == ["green", "red"]


def test_a_model_whose_name_has_a_slash(bundle_path: Path, tmp_path: Path) -> None:
    with RunningServer(write_tiny_bundle(tmp_path / "b", name="me/colours of mine")) as running:
        with triton.InferenceServerClient(running.url.removeprefix("http://")) as session:
            assert session.is_model_ready("me/colours of mine", "1")
            result = session.infer("me/colours of mine", [image_input(IMAGE)])
        assert result.as_numpy("labels").tolist() == [b"green"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (changed("id", to=7), "id"),
        (changed("parameters", to=[]), "parameters"),
        (changed("parameters", to={"binary_data_output": 1}), "binary_data_output"),
        (changed("inputs", to=[]), "one tensor"),
        (changed("inputs", to=BODY["inputs"] * 2), "one tensor"),
        (changed("inputs", to=["image"]), "one tensor"),
        (changed("inputs", 0, "name", to="picture"), "'image'"),
        (changed("inputs", 0, "datatype", to="UINT8"), "'BYTES'"),
        (changed("inputs", 0, "shape", to=[2]), "shape"),
        (changed("inputs", 0, "shape", to=[-1]), "shape"),
        (changed("inputs", 0, "data", to=[]), "base64"),
        (changed("inputs", 0, "data", to=[1, 2]), "base64"),
        (changed("inputs", 0, "data", to=["a.b"]), "base64"),
        (changed("inputs", 0, "data", to=["ü"]), "base64"),
        (changed("inputs", 0, "data", to=[""]), "empty"),
        (changed("inputs", 0, "parameters", to={"binary_data_size": 9}), "binary_data_size"),
        (changed("outputs", to={}), "outputs"),
        (changed("outputs", to=[{"name": "features"}]), "output"),
        (changed("outputs", to=[{"name": "labels"}] * 2), "twice"),
        (changed("outputs", to=[{"name": "labels", "parameters": {"classification": 2}}]), "classification"),
        (changed("outputs", to=[{"name": "probabilities", "parameters": {"classification": -1}}]), "classification"),
        (changed("outputs", to=[{"name": "labels", "parameters": {"binary_data": "yes"}}]), "binary_data"),
    ],
)
def test_malformed_requests(client: httpx.Client, body: dict[str, Any], reason: str) -> None:
    response = post(client, body)
    assert reason in assert_problem(response, 400)
    assert response.json()["error"] == response.json()["detail"]


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b'{"inputs": NaN}',
        b"[" * 100_000,
        b'{"id": ' + b"9" * 5000 + b"}",
        b"{},{}" * 999,
    ],
)
def test_bodies_that_are_not_json_objects(client: httpx.Client, body: bytes) -> None:
    for path in ("/v2/models/colours/infer", "/models/colours"):
        response = client.post(path, content=body, headers={"Content-Type": "application/json"})
        assert "JSON" in assert_problem(response, 400)


@pytest.mark.parametrize("length", ["-1", "abc", "1.5", "99999999", "9" * 30, "3", "٣".encode()])
def test_wrong_header_lengths(client: httpx.Client, length: str | bytes) -> None:
    headers = {"Inference-Header-Content-Length": length}
    assert_problem(client.post("/v2/models/colours/infer", content=json.dumps(BODY), headers=headers), 400)


@pytest.mark.parametrize(
    ("size", "tail"),
    [
        (8, b"\x08\0\0\0abcd"),  # a length that is too large
        (8, b"\x02\0\0\0abcd"),  # and one that is too small
        (4, b"\0\0\0\0"),
        (2, b"ab"),
        (0, b""),
        (9, b"\x04\0\0\0abcd"),
        (-8, b"\x04\0\0\0abcd"),
        ("8", b"\x04\0\0\0abcd"),
        (True, b"\x01"),
        (None, b"\x04\0\0\0abcd"),
    ],
)
def test_malformed_binary_tensors(client: httpx.Client, size: Any, tail: bytes) -> None:
    body = changed("inputs", 0, "parameters", to={} if size is None else {"binary_data_size": size})
    head = json.dumps(body).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    assert_problem(client.post("/v2/models/colours/infer", content=head + tail, headers=headers), 400)


def test_other_models_and_versions(client: httpx.Client) -> None:
    for path in ("others", "colours/versions/2", "colours/versions/"):
        assert "'colours'" in assert_problem(post(client, BODY, f"/v2/models/{path}/infer"), 404)
        assert_problem(client.get(f"/v2/models/{path}"), 404)


def test_other_problems(client: httpx.Client, triton_client: triton.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match="not an image in an accepted format"):
        triton_client.infer("colours", [image_input(b"hello")])
    for kind in ("text/plain", "multipart/form-data; boundary=b"):
        headers = {"Content-Type": kind}
        assert_problem(client.post("/v2/models/colours/infer", content=json.dumps(BODY), headers=headers), 415)
    assert_problem(client.post("/v2/models/colours/infer", headers={"Content-Encoding": "gzip"}), 415)


def test_can_be_switched_off(bundle_path: Path) -> None:
    flags = ["--open-inference", "off", "--hugging-face", "off"]
    with RunningServer(bundle_path, *flags) as running, httpx.Client(base_url=running.url) as session:
        for path in ("/v2", "/v2/health/live", "/v2/models/colours"):
            assert_problem(session.get(path), 404)
        assert_problem(session.post("/models/colours"), 404)
        paths = session.get("/openapi.json").json()["paths"]
        assert not [path for path in paths if path.startswith(("/v2", "/models"))]
