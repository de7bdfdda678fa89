"""POST /models/{name}: image classification as in Hugging Face's inference API."""

from __future__ import annotations

import functools
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from service.prediction import Prediction
from service.predictor import Predictor
from service.problem import Problem
from service.responses import check_finite
from service.settings import DEFAULT_TOP_K
from service.tasks.shapes import Probability
from service.web import record
from service.web.engine import Engine
from service.web.routes.endpoint import UPLOAD_PROBLEMS, Operation, describe
from service.web.routes.inference import classify_image
from service.web.upload.json_body import decode_image, looks_like_object, parse_object
from service.web.upload.upload import UploadLimits, is_image, is_unnamed, media_type_of, read_bytes


class ImageClassificationParameters(TypedDict):
    """Options of the response."""

    top_k: NotRequired[Annotated[int, {"minimum": 1, "description": "how many classes to list"}]]
    function_to_apply: NotRequired[
        Annotated[Literal["softmax", "sigmoid"], {"description": "only the activation that is part of the model"}]
    ]


class ImageInstance(TypedDict):
    """An image as TensorFlow Serving and Vertex AI have it in `instances`."""

    b64: Annotated[str, {"description": "the encoded image", "contentEncoding": "base64"}]


class ImageClassificationRequest(TypedDict):
    """An image in JSON: `inputs`, or one in `instances`."""

    inputs: NotRequired[Annotated[str, {"description": "the encoded image", "contentEncoding": "base64"}]]
    instances: NotRequired[
        Annotated[
            list[ImageInstance],
            {"description": "in place of inputs: one image", "minItems": 1, "maxItems": 1},
        ]
    ]
    parameters: NotRequired[ImageClassificationParameters]


class LabelScoreResponse(TypedDict):
    """One class and its probability."""

    label: str
    score: Probability


class HuggingFaceHandler:
    """The handler."""

    def __init__(self, engine: Engine, uploads: UploadLimits) -> None:
        self._engine = engine
        self._uploads = uploads

    @describe(
        Operation(
            name="hugging_face",
            summary="Classify an image, with the response of Hugging Face's image classification",
            body={
                "application/json": ImageClassificationRequest,
                "image/*": bytes,
                "application/octet-stream": bytes,
            },
            responses={"application/json": list[LabelScoreResponse]},
            problems=(404, *UPLOAD_PROBLEMS),
        )
    )
    async def post(self, request: Request) -> Response:
        """Return the best classes with their scores, however low, or 404 for the name of another model."""
        self._engine.permits.check()
        predictor = self._engine.predictor
        if request.path_params["name"] != predictor.name:
            raise Problem(404, f"The model here is {predictor.name!r}.")
        media_type = media_type_of(request.headers)
        if media_type != "application/json" and not is_image(media_type):
            raise Problem(
                415,
                f"The Content-Type {media_type[:50]!r} is not accepted; send application/json or the image itself.",
            )
        body = await read_bytes(request, limits=self._uploads)
        is_json = media_type == "application/json" or (is_unnamed(media_type) and looks_like_object(body))
        with self._engine.permits.take():
            return await self._engine.run(functools.partial(_respond, body, is_json, predictor))


def _respond(body: bytes, is_json: bool, predictor: Predictor) -> Response:
    """Run on a worker thread: from the body of the request to the response."""
    data, top_k = _parse_json(body, predictor) if is_json else (body, DEFAULT_TOP_K)
    record.current().lap("parse")
    return JSONResponse(_scores(classify_image(data, predictor), top_k=top_k))


def _scores(prediction: Prediction, *, top_k: int) -> list[LabelScoreResponse]:
    check_finite(prediction)
    return [{"label": label.label, "score": label.probability} for label in prediction.ranked[:top_k]]


def _parse_json(body: bytes, predictor: Predictor) -> tuple[bytes, int]:
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
    return decode_image(_image_in(value)), top_k or DEFAULT_TOP_K


def _image_in(value: dict[str, Any]) -> object:
    """The image of a request: `inputs`, or the one of `instances`, a text or an object with the text in `b64`."""
    if "instances" not in value:
        return value.get("inputs")
    instances = value["instances"]
    if "inputs" in value or not isinstance(instances, list) or len(instances) != 1:
        raise Problem(400, "Send one image: inputs, or a list of one in instances.")
    (instance,) = instances
    return instance.get("b64") if isinstance(instance, dict) else instance
