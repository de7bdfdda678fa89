"""POST /models/{name}: image classification as Hugging Face's inference API answers it."""

from __future__ import annotations

import functools
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from service.predictor import Prediction, Predictor
from service.settings import DEFAULT_TOP_K, Settings
from service.web.engine.engine import Engine
from service.web.problem import Problem
from service.web.routes.answers import Probability, check
from service.web.routes.operation import UPLOAD_PROBLEMS, Operation, describe
from service.web.upload.json_body import image_of, parse_object
from service.web.upload.upload import is_image, kind_of, read_bytes


class ClassificationParameters(TypedDict):
    """How to answer."""

    top_k: NotRequired[Annotated[int, {"minimum": 1, "description": "how many classes to list"}]]
    function_to_apply: NotRequired[
        Annotated[Literal["softmax", "sigmoid"], {"description": "only the one that the model has anyway"}]
    ]


class ClassificationBody(TypedDict):
    """An image in JSON."""

    inputs: Annotated[str, {"description": "the encoded image", "contentEncoding": "base64"}]
    parameters: NotRequired[ClassificationParameters]


class ScoredLabel(TypedDict):
    """One class and its probability."""

    label: str
    score: Probability


class HuggingFace:
    """The handler."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings

    @describe(
        Operation(
            summary="What is in an image, as Hugging Face's image classification says it",
            body={"application/json": ClassificationBody, "image/*": bytes, "application/octet-stream": bytes},
            answers={"application/json": list[ScoredLabel]},
            problems=(404, *UPLOAD_PROBLEMS),
        )
    )
    async def post(self, request: Request) -> Response:
        """The best classes with their scores, however low; raises Problem 404 for the name of another model."""
        predictor = self._engine.predictor
        if request.path_params["name"] != predictor.name:
            raise Problem(404, f"The model here is {predictor.name!r}.")
        kind = kind_of(request.headers)
        if kind and kind != "application/json" and not is_image(kind):
            raise Problem(
                415, f"The Content-Type {kind[:50]!r} is not taken here; send application/json or the image itself."
            )
        body = await read_bytes(request, settings=self._settings)
        return await self._engine.run(functools.partial(_respond, body, kind == "application/json", predictor))


def _respond(body: bytes, is_json: bool, predictor: Predictor) -> Response:
    """On a worker thread: everything from the request's bytes to the answer's."""
    data, top_k = _read_json(body, predictor) if is_json else (body, DEFAULT_TOP_K)
    return JSONResponse(_scores(predictor.predict(data), top_k=top_k))


def _scores(prediction: Prediction, *, top_k: int) -> list[ScoredLabel]:
    check(prediction)
    return [{"label": label.label, "score": label.probability} for label in prediction.ranked[:top_k]]


def _read_json(body: bytes, predictor: Predictor) -> tuple[bytes, int]:
    value = parse_object(body)
    parameters: Any = value.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise Problem(400, "The parameters must be an object.")
    top_k = parameters.get("top_k")
    if top_k is not None and (type(top_k) is not int or top_k < 1):
        raise Problem(400, "top_k must be a whole number of at least 1.")
    activation = predictor.spec.activation
    if parameters.get("function_to_apply") not in (None, activation):
        raise Problem(400, f"function_to_apply must be {activation!r}, which is part of this model.")
    return image_of(value.get("inputs")), top_k or DEFAULT_TOP_K
