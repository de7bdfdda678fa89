"""A service whose model gives no label if it does not know."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.bundles import ABSTAIN, COLOURS, OOD, SET, make_image
from tests.support.server import RunningServer

WHITE, GREY, RED = (make_image(colour, shade=1) for colour in ("white", "#a0a0a0", "red"))


@pytest.fixture(scope="module")
def service(doubtful: RunningServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=doubtful.url, timeout=20) as session:
        yield session


@pytest.fixture(scope="module")
def quiet(doubtful_path: Path) -> Iterator[RunningServer]:
    """The same service, which must not abstain."""
    with RunningServer(doubtful_path, "--log-format", "json", environ={"FIELDGUIDE_ABSTAIN": "off"}) as running:
        yield running


def answer(client: httpx.Client, image: bytes) -> dict[str, Any]:
    response = client.post("/v1/predict", content=image)
    assert response.status_code == 200
    found: dict[str, Any] = response.json()
    return found


def test_predict_says_why_there_is_no_label(service: httpx.Client) -> None:
    unknown = answer(service, WHITE)
    assert list(unknown)[:6] == ["label", "abstained", "set", "ood", "probability", "index"]
    assert (unknown["label"], unknown["abstained"], unknown["ood"]) == (None, "unknown", pytest.approx(1))
    assert unknown["predictions"][0]["label"] == "red"
    unsure = answer(service, GREY)
    assert (unsure["label"], unsure["abstained"], unsure["set"]) == (None, "unsure", list(COLOURS))
    known = answer(service, RED)
    assert (known["label"], known["set"], known["ood"]) == ("red", ["red"], 0)
    assert "abstained" not in known


def test_routes_of_other_services(service: httpx.Client) -> None:
    """The fast.ai starter app, Hugging Face, the Open Inference Protocol: their clients see what they can read."""
    assert service.post("/analyze", files={"file": WHITE}).json() == {"result": ""}
    assert service.post("/analyze", files={"file": RED}).json() == {"result": "red"}
    scores = service.post("/models/doubtful", content=WHITE, headers={"Content-Type": "image/png"}).json()
    assert [item["label"] for item in scores] == list(COLOURS)
    tensor = {"name": "image", "datatype": "BYTES", "shape": [1], "data": [base64.b64encode(WHITE).decode()]}
    labels, probabilities = service.post("/v2/models/doubtful/infer", json={"inputs": [tensor]}).json()["outputs"]
    assert (labels["shape"], labels["data"]) == ([1], [""])
    assert sum(probabilities["data"]) == pytest.approx(1)


def test_the_model_says_what_it_abstains_from(service: httpx.Client) -> None:
    model = service.get("/v1/model").json()
    assert model["thresholds"] == []
    assert model["ood"] == {**OOD, "threshold": 0.7}
    assert model["abstain"] == {**ABSTAIN, "threshold": 0.8}
    assert model["set"] == SET


def test_it_is_counted_and_logged(doubtful: RunningServer, service: httpx.Client) -> None:
    before = _counted(service)
    for image in (WHITE, WHITE, GREY, RED):
        answer(service, image)
    after = _counted(service)
    assert {reason: after[reason] - before[reason] for reason in after} == {"unknown": 2, "unsure": 1}
    assert " red 0.33 unsure " in doubtful.log


def test_turned_off_there_always_is_a_label(quiet: RunningServer) -> None:
    with httpx.Client(base_url=quiet.url, timeout=20) as client:
        for image in (WHITE, GREY, RED):
            found = answer(client, image)
            assert found["label"] == "red"
            assert not {"abstained", "ood"} & {*found}
        assert answer(client, GREY)["set"] == list(COLOURS)
        assert {"ood", "abstain", "set"} & {*client.get("/v1/model").json()} == {"set"}
        assert set(_counted(client).values()) == {0}


def test_the_log_of_a_program_says_it_too(doubtful_path: Path) -> None:
    with RunningServer(doubtful_path, "--log-format", "json") as server:
        for image in (WHITE, RED):
            httpx.post(f"{server.url}/v1/predict", content=image)
        httpx.get(f"{server.url}/metrics")  # after it the records before are in the log
        entries = [json.loads(line) for line in server.log.splitlines()]
    found = [(entry["label"], entry.get("abstained")) for entry in entries if "label" in entry]
    assert found == [("red", "unknown"), ("red", None)]


@pytest.mark.parametrize("multilabel", [False, True])
def test_bundles_that_say_nothing_of_it_answer_as_before(
    client: httpx.Client, multilabel_client: httpx.Client, multilabel: bool
) -> None:
    session = multilabel_client if multilabel else client
    assert not {"abstained", "set", "ood"} & {*answer(session, WHITE)}
    assert not {"abstain", "set", "ood"} & {*session.get("/v1/model").json()}


def _counted(client: httpx.Client) -> dict[str, float]:
    found = re.findall(r'^fieldguide_abstained_total\{reason="(\w+)"\} (\S+)$', client.get("/metrics").text, re.M)
    return {reason: float(count) for reason, count in found}
