"""GET /v1/model: the model of this service."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, NotRequired, TypedDict

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from service.bundle import ModelSpec
from service.bundle.spec import Task
from service.web.engine import Engine
from service.web.routes.endpoint import Operation, describe
from service.web.upload.upload import UploadLimits


class ImageLimitsResponse(TypedDict):
    """Limits on images."""

    max_pixels: Annotated[int, {"description": "width x height"}]
    max_side_ratio: Annotated[int, {"description": "long side / short side"}]
    max_body_bytes: int


class OodResponse(TypedDict):
    """From where on an image is too strange: the prediction is abstained, "unknown"."""

    method: str
    threshold: Annotated[float, {"description": "an image is too strange if its ood is above it"}]
    false_alarms: Annotated[float, {"description": "the fraction of images of known classes that may be above it"}]
    images: Annotated[int, {"description": "on how many images the threshold was set"}]


class AbstainResponse(TypedDict):
    """From where on the model is certain enough; below it the prediction is abstained, "unsure"."""

    threshold: Annotated[float, {"description": "the smallest certainty of an answer"}]
    max_error: Annotated[float, {"description": "with this confidence, at most this fraction of the answers is wrong"}]
    confidence: float
    coverage: Annotated[float, {"description": "the fraction of the images that was answered"}]
    images: Annotated[int, {"description": "on how many images the threshold was chosen"}]
    independent: Annotated[
        bool, {"description": "whether these images chose nothing else; if not, the error is optimistic"}
    ]


class SetResponse(TypedDict):
    """Which labels are in the set of a prediction."""

    level: Annotated[float, {"description": "the fraction of images whose set has the right label"}]
    quantile: Annotated[float, {"description": "labels with a probability of at least 1 - quantile are in the set"}]
    images: Annotated[int, {"description": "on how many images the quantile was measured"}]


class ModelDetailsResponse(TypedDict):
    """The model and its limits."""

    name: str
    version: str
    digest: Annotated[str, {"description": "of the bundle's manifest", "pattern": "^sha256:[0-9a-f]{64}$"}]
    created: Annotated[str, {"description": "when the bundle was made, ISO 8601"}]
    task: Task
    classes: Annotated[list[str], {"description": "in the order of the model's output"}]
    model_file: Annotated[str, {"description": "the file of the bundle that runs"}]
    model_reason: Annotated[str, {"description": "why this file runs, and not another one"}]
    thresholds: Annotated[
        list[float],
        {"description": "multilabel: one for each class; classification: none"},
    ]
    ood: NotRequired[Annotated[OodResponse, {"description": "only if the model abstains from strange images"}]]
    abstain: NotRequired[
        Annotated[AbstainResponse, {"description": "only if the model abstains from uncertain answers"}]
    ]
    set: NotRequired[Annotated[SetResponse, {"description": "only if the predictions have a set of labels"}]]
    pixels: Annotated[dict[str, int | str], {"description": "how an image becomes the model's input"}]
    heatmaps: Annotated[bool, {"description": "whether the model gives heatmaps"}]
    limits: ImageLimitsResponse
    groups: Annotated[list[str], {"description": "the coarse label of each class, in the order of classes; or empty"}]
    limits_of_use: Annotated[list[str], {"description": "what the model must not be used for, and where it fails"}]
    metrics: Annotated[
        dict[str, Any],
        {"description": "of this model file, measured on the validation images when the bundle was made"},
    ]


class ModelHandler:
    """The handler."""

    def __init__(self, engine: Engine, uploads: UploadLimits) -> None:
        self._engine = engine
        self._uploads = uploads

    @describe(
        Operation(
            name="get_model",
            summary="The model of this service",
            responses={"application/json": ModelDetailsResponse},
            problems=(503,),
        )
    )
    async def get(self, _request: Request) -> Response:
        """Return the model's name, date, classes, pixels and metrics, and the limits on images."""
        predictor = self._engine.predictor
        details: ModelDetailsResponse = {
            "name": predictor.name,
            "version": predictor.version,
            "digest": predictor.digest,
            "created": predictor.created,
            "task": predictor.spec.task,
            "classes": list(predictor.spec.classes),
            "model_file": predictor.model_file,
            "model_reason": predictor.model_reason,
            "thresholds": list(predictor.chosen.thresholds),
            "pixels": predictor.spec.pixels.to_json(),
            "heatmaps": predictor.has_heatmaps,
            "limits": {
                "max_pixels": predictor.limits.max_pixels,
                "max_side_ratio": predictor.limits.max_side_ratio,
                "max_body_bytes": self._uploads.max_bytes,
            },
            "groups": list(predictor.spec.groups),
            "limits_of_use": list(predictor.spec.limits_of_use),
            "metrics": dict(predictor.metrics),
        }
        return JSONResponse({**details, **_doubts(predictor.chosen)}, headers={"Cache-Control": "no-cache"})


def _doubts(chosen: ModelSpec) -> dict[str, Any]:
    """What the model does if it does not know; the names are those of spec.json."""
    members = {"ood": chosen.ood, "abstain": chosen.abstain, "set": chosen.set}
    return {name: dataclasses.asdict(member) for name, member in members.items() if member is not None}
