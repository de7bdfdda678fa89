from __future__ import annotations

import io
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from service.pixels import load
from service.predictor import Predictor
from tests.support.bundles import COLOURS, make_image
from tests.support.problems import assert_problem

RAW = {"Content-Type": "image/png"}


def post(client: httpx.Client, data: bytes, query: str = "") -> httpx.Response:
    return client.post(f"/v1/predict{query}", content=data, headers=RAW)


def without_timing(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    assert all(value >= 0 for value in answer.pop("timing_ms").values())
    return answer


@pytest.mark.parametrize("colour", COLOURS)
def test_response_of_a_classification_model(client: httpx.Client, predictor: Predictor, colour: str) -> None:
    response = post(client, make_image(colour)).json()
    expected = predictor.predict(make_image(colour))
    assert list(response) == ["label", "probability", "index", "predictions", "image", "model", "timing_ms"]
    assert response["label"] == colour
    assert response["index"] == COLOURS.index(colour)
    assert response["probability"] == expected.best.probability
    assert response["predictions"] == [vars(label) for label in expected.ranked]
    assert response["image"] == {"format": "PNG", "width": 80, "height": 60}
    assert response["model"] == {"name": "colours", "version": "1", "digest": predictor.digest}
    assert set(response["timing_ms"]) == {"decode", "infer", "total"}
    assert response["timing_ms"]["total"] >= response["timing_ms"]["decode"]


def test_multipart_and_raw_give_the_same_response(client: httpx.Client) -> None:
    data = make_image("green", encoding="JPEG")
    raw = post(client, data)
    # The part's own content type and file name are wrong, and do not matter.
    form = client.post("/v1/predict", files={"file": ("notes.txt", data, "text/plain")}, data={"comment": "mine"})
    octets = client.post("/v1/predict", content=data, headers={"Content-Type": "application/octet-stream"})
    assert without_timing(raw) == without_timing(form) == without_timing(octets)


def test_a_rotated_photo_is_upright(client: httpx.Client) -> None:
    data = make_image("red", size=(80, 60), encoding="JPEG", orientation=6)
    assert post(client, data).json()["image"] == {"format": "JPEG", "width": 60, "height": 80}


@pytest.mark.parametrize(("text", "count"), [("1", 1), ("2", 2), ("3", 3), ("4", 3), ("999999999", 3), ("007", 3)])
def test_top_k(client: httpx.Client, text: str, count: int) -> None:
    response = post(client, make_image("blue"), f"?top_k={text}").json()
    assert len(response["predictions"]) == count
    assert response["label"] == "blue"


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "1e9", "", "many", "%2B1", "%D9%A3", "1" * 5000])
def test_invalid_top_k(client: httpx.Client, text: str) -> None:
    assert "top_k" in assert_problem(post(client, make_image(), f"?top_k={text}"), 400)


@pytest.mark.parametrize("text", ["true", "1", "True"])
def test_heatmap(client: httpx.Client, predictor: Predictor, text: str) -> None:
    data = make_image("red", size=(80, 60))
    heatmap = post(client, data, f"?heatmap={text}").json()["heatmap"]
    expected = predictor.predict(data, heatmap=True).heatmap
    assert expected is not None
    assert heatmap["index"] == 0
    np.testing.assert_allclose(heatmap["values"], expected.values, atol=1e-4)
    np.testing.assert_allclose(heatmap["box"], expected.box, atol=0.01)


@pytest.mark.parametrize("text", ["false", "0"])
def test_no_heatmap_unless_asked(client: httpx.Client, text: str) -> None:
    assert "heatmap" not in post(client, make_image(), f"?heatmap={text}").json()
    assert "heatmap" not in post(client, make_image()).json()


def test_heatmap_of_a_model_without_heatmaps(client: httpx.Client, plain_client: httpx.Client) -> None:
    assert "heatmap" in assert_problem(post(client, make_image(), "?heatmap=yes"), 400)
    assert "heatmap" in assert_problem(post(plain_client, make_image(), "?heatmap=true"), 400)


def test_return_input_is_what_the_model_sees(client: httpx.Client, predictor: Predictor) -> None:
    data = make_image("green", size=(120, 50), encoding="JPEG", orientation=8)
    response = post(client, data, "?return=input")
    assert response.headers["content-type"] == "image/png"
    shown = np.asarray(Image.open(io.BytesIO(response.content)))
    np.testing.assert_array_equal(shown, load(data, predictor.spec.pixels).pixels)
    assert shown.dtype == np.uint8


def test_return_of_something_else(client: httpx.Client) -> None:
    assert "return" in assert_problem(post(client, make_image(), "?return=features"), 400)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        *(("topk", "top_k"), ("top-k", "top_k"), ("TOP_K", "top_k"), ("topK", "top_k"), ("top_", "top_k")),
        *(("tpo_k", "top_k"), ("top_n", "top_k"), ("stop_k", "top_k")),
        *(("heat_map", "heatmap"), ("heatmaps", "heatmap"), ("Heatmap", "heatmap"), ("hetamap", "heatmap")),
        *(("Return", "return"), ("returns", "return"), ("retrun", "return"), ("re-turn", "return")),
    ],
)
def test_a_misspelled_parameter_is_named(client: httpx.Client, name: str, meant: str) -> None:
    """`?topk=3` was ignored, and five classes came."""
    detail = assert_problem(post(client, make_image(), f"?{name}=1"), 400)
    assert detail == f"There is no query parameter {name!r}; write {meant!r}."


@pytest.mark.parametrize("query", ["_=123", "utm_source=x", "k=3", "temperature=1", "", "map=1", "a" * 3000 + "=1"])
def test_other_parameters_are_ignored(client: httpx.Client, query: str) -> None:
    assert post(client, make_image(), f"?{query}").status_code == 200


def test_no_label_if_the_model_is_not_sure(plain_client: httpx.Client) -> None:
    response = post(plain_client, make_image("green")).json()
    assert response["label"] is None
    assert response["index"] == COLOURS.index("green")
    assert response["probability"] == response["predictions"][0]["probability"] < 1


def test_response_of_a_multilabel_model(multilabel_client: httpx.Client) -> None:
    response = post(multilabel_client, make_image("yellow")).json()
    assert list(response) == ["labels", "predictions", "image", "model", "timing_ms"]
    assert {item["label"] for item in response["labels"]} == {"red", "green"}
    assert all(item["probability"] >= 0.5 for item in response["labels"])
    assert len(response["predictions"]) == 3
    assert post(multilabel_client, make_image("black")).json()["labels"] == []


def test_analyze_responds_like_the_fastai_starter(
    client: httpx.Client, plain_client: httpx.Client, multilabel_client: httpx.Client
) -> None:
    assert client.post("/analyze", files={"file": make_image("red")}).json() == {"result": "red"}
    assert plain_client.post("/analyze", files={"file": make_image("red")}).json() == {"result": ""}
    both = multilabel_client.post("/analyze", files={"file": make_image("yellow")}).json()["result"]
    assert sorted(both.split(", ")) == ["green", "red"]


def test_model(client: httpx.Client, predictor: Predictor) -> None:
    model = client.get("/v1/model").json()
    assert model["name"] == "colours"
    assert model["version"] == "1"
    assert model["digest"] == predictor.digest
    assert model["task"] == "classification"
    assert model["classes"] == list(COLOURS)
    assert model["pixels"] == predictor.spec.pixels.to_json()
    assert model["metrics"]["accuracy"] == 0.975
    assert model["heatmaps"] is True
    assert model["limits"] == {"max_pixels": 50_000_000, "max_side_ratio": 50, "max_body_bytes": 200_000}


def test_health(client: httpx.Client) -> None:
    assert client.get("/livez").json() == {"status": "live"}
    assert client.get("/readyz").json() == {"status": "ready"}
