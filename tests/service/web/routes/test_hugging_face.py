"""Hugging Face's image classification: with its own client, and with bad requests."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError

from service.predictor import Predictor
from tests.support.bundles import make_image
from tests.support.problems import assert_problem
from tests.support.server import RunningServer

IMAGE = make_image("green")
PATH = "/models/colours"


@pytest.fixture
def hub(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> InferenceClient:
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
    return InferenceClient(model=server.url + PATH, token="a-token-that-nobody-asks-for")


def post(client: httpx.Client, inputs: Any = None, **parameters: Any) -> httpx.Response:
    text = base64.b64encode(IMAGE).decode() if inputs is None else inputs
    return client.post(PATH, json={"inputs": text, "parameters": parameters})


def test_image_as_the_body(hub: InferenceClient, predictor: Predictor, tmp_path: Path) -> None:
    expected = [(label.label, label.probability) for label in predictor.predict(IMAGE).ranked]
    file = tmp_path / "green.png"
    file.write_bytes(IMAGE)
    for image in (IMAGE, file):
        assert [(item.label, item.score) for item in hub.image_classification(image)] == expected


def test_image_in_json(hub: InferenceClient, predictor: Predictor) -> None:
    (best,) = hub.image_classification(IMAGE, top_k=1)
    assert (best.label, best.score) == ("green", predictor.predict(IMAGE).best.probability)
    assert len(hub.image_classification(IMAGE, top_k=99, function_to_apply="softmax")) == 3


def test_parameters_may_be_left_out(client: httpx.Client) -> None:
    expected = client.post(PATH, content=IMAGE, headers={"Content-Type": "image/png"}).json()
    assert post(client).json() == expected
    assert post(client, top_k=None).json() == expected
    assert client.post(PATH, json={"inputs": base64.b64encode(IMAGE).decode(), "parameters": None}).json() == expected


def test_scores_of_a_multilabel_model(multilabel_client: httpx.Client) -> None:
    headers = {"Content-Type": "application/octet-stream"}
    response = multilabel_client.post("/models/tags", content=make_image("yellow"), headers=headers).json()
    assert {item["label"] for item in response[:2]} == {"red", "green"}
    assert len(response) == 3


@pytest.mark.parametrize("top_k", [0, -1, 1.5, "2", True, [1]])
def test_invalid_top_k(client: httpx.Client, top_k: Any) -> None:
    assert "top_k" in assert_problem(post(client, top_k=top_k), 400)


@pytest.mark.parametrize("function", ["sigmoid", "none", 1])
def test_another_activation_than_the_models(client: httpx.Client, function: Any) -> None:
    assert "softmax" in assert_problem(post(client, function_to_apply=function), 400)


@pytest.mark.parametrize(
    "inputs",
    [
        *("", "a.b", "Y", "YQ=", "YQ==YQ==", "=", "YÜ==", "http://example.org/a.png"),
        *("data:image/png,abc", "data:image/png;base64", "data:,", 7, ["YQ=="], {}),
    ],
)
def test_inputs_that_are_not_base64(client: httpx.Client, inputs: Any) -> None:
    assert_problem(post(client, inputs), 400)


@pytest.mark.parametrize(
    "written",
    [
        base64.encodebytes(IMAGE).decode(),
        base64.encodebytes(IMAGE).decode().replace("\n", "\r\n  "),
        base64.b64encode(IMAGE).decode().rstrip("="),
        base64.urlsafe_b64encode(IMAGE).decode(),
        base64.urlsafe_b64encode(IMAGE).decode().rstrip("=") + "\n",
        "data:image/png;base64," + base64.b64encode(IMAGE).decode(),
        "DATA:;charset=utf-8;Base64," + base64.encodebytes(IMAGE).decode(),
    ],
    ids=["lines", "CRLF and blanks", "no padding", "URL-safe", "URL-safe, no padding", "data: URI", "data: URI, lines"],
)
def test_base64_as_encoders_write_it(client: httpx.Client, written: str) -> None:
    """Only the standard alphabet on one line, padded, was taken."""
    assert post(client, written).json() == post(client).json()


def test_one_image_in_instances_as_in_tensorflow_serving(client: httpx.Client) -> None:
    text, expected = base64.encodebytes(IMAGE).decode(), post(client).json()
    for instances in ([text], [{"b64": text}]):
        assert client.post(PATH, json={"instances": instances}).json() == expected
    limited = {"instances": [{"b64": text}], "parameters": {"top_k": 1}}
    assert client.post(PATH, json=limited).json() == expected[:1]


@pytest.mark.parametrize(
    "body",
    [
        *({"instances": instances} for instances in ([], ["YQ==", "YQ=="], "YQ==", None, {"b64": "YQ=="}, 7)),
        {"instances": ["YQ=="], "inputs": "YQ=="},
    ],
)
def test_other_instances_than_one_image(client: httpx.Client, body: Any) -> None:
    assert "one image" in assert_problem(client.post(PATH, json=body), 400)


@pytest.mark.parametrize("instance", [7, None, [], {}, {"b64": 7}, {"image": "YQ=="}])
def test_an_instance_that_is_not_base64(client: httpx.Client, instance: Any) -> None:
    assert "base64" in assert_problem(client.post(PATH, json={"instances": [instance]}), 400)


@pytest.mark.parametrize("media_type", ["application/x-www-form-urlencoded", "application/octet-stream", None])
def test_json_without_its_type_is_recognised(client: httpx.Client, media_type: str | None) -> None:
    """`curl -d '{"inputs": ...}'` names the type of a form."""
    body = json.dumps({"inputs": base64.b64encode(IMAGE).decode()}).encode()
    headers = {"Content-Type": media_type} if media_type else {}
    assert client.post(PATH, content=b"\r\n " + body, headers=headers).json() == post(client).json()
    assert client.post(PATH, content=IMAGE, headers=headers).json() == post(client).json()


def test_other_problems(client: httpx.Client, hub: InferenceClient) -> None:
    assert "base64" in assert_problem(client.post(PATH, json={}), 400)
    assert "object" in assert_problem(client.post(PATH, json={"inputs": "YQ==", "parameters": [1]}), 400)
    assert_problem(post(client, base64.b64encode(b"hello").decode()), 415)
    assert_problem(client.post(PATH, content=IMAGE, headers={"Content-Type": "text/plain"}), 415)
    assert_problem(client.post("/models/others", content=IMAGE), 404)
    with pytest.raises(HfHubHTTPError, match="not an image in an accepted format"):
        hub.image_classification(b"hello")
