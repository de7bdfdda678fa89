"""The application without a server, in states that a running one seldom has."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from typing import Any

import httpx
import numpy as np
import pytest
from starlette.types import Message

from service.pixels import Picture
from service.prediction import Prediction
from service.predictor import Predictor
from service.settings import Settings
from service.web.app import create_app
from service.web.engine import Engine
from tests.support.bundles import make_image
from tests.support.problems import assert_problem


def ask(engine: Engine, method: str, path: str, **request: Any) -> httpx.Response:
    async def run() -> httpx.Response:
        transport = httpx.ASGITransport(create_app(engine, Settings()))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path, **request)

    try:
        return asyncio.run(run())
    finally:
        engine.close()


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/readyz"), ("GET", "/v1/model"), ("POST", "/v1/predict"), ("POST", "/analyze")]
)
def test_not_ready_before_the_model_is_loaded(method: str, path: str) -> None:
    response = ask(Engine(threads=1), method, path)
    assert_problem(response, 503)
    assert response.headers["retry-after"] == "1"


@pytest.mark.parametrize("path", ["/livez", "/"])
def test_live_before_the_model_is_loaded(path: str) -> None:
    assert ask(Engine(threads=1), "GET", path).status_code == 200


class NotANumber:
    """A predictor whose model gives NaN for the last class."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._predictor, name)

    def classify(self, picture: Picture, **options: Any) -> Prediction:
        prediction = self._predictor.classify(picture, **options)
        last = np.float32("nan")
        return dataclasses.replace(prediction, probabilities=np.append(prediction.probabilities[:-1], last))


@pytest.mark.parametrize("path", ["/v1/predict?top_k=1", "/analyze"])
def test_an_internal_error_is_opaque(predictor: Predictor, path: str, caplog: pytest.LogCaptureFixture) -> None:
    engine = Engine(threads=1, predictor=NotANumber(predictor))  # type: ignore[arg-type]
    headers = {"Content-Type": "image/png", "X-Request-ID": "mine"}
    response = ask(engine, "POST", path, content=make_image(), headers=headers)
    detail = assert_problem(response, 500)
    assert "finite" not in detail
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1
    assert "mine" in errors[0].getMessage()
    assert errors[0].exc_info is not None


def test_a_request_that_outlasts_the_server_gets_a_503(predictor: Predictor) -> None:
    """uvicorn cancels requests that are still running when the time to stop is over."""

    async def run() -> list[Message]:
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        async def receive() -> Message:
            await asyncio.sleep(60)
            raise AssertionError

        headers = [(b"content-type", b"image/png")]
        scope = {
            "type": "http", "method": "POST", "path": "/analyze", "raw_path": b"/analyze",
            "query_string": b"", "headers": headers,
        }  # fmt: skip
        app = create_app(Engine(threads=1, predictor=predictor), Settings())
        task = asyncio.ensure_future(app(scope, receive, send))  # type: ignore[arg-type]
        await asyncio.sleep(0.05)
        task.cancel()
        await task
        return sent

    sent = asyncio.run(run())
    assert sent[0]["status"] == 503
    assert b"stopping" in sent[1]["body"]
