"""GET /v1/model: the model of this service."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from service.bundle.spec import Task
from service.web.engine import Engine
from service.web.routes.endpoint import Operation, describe
from service.web.upload.upload import UploadLimits


class ImageLimitsResponse(TypedDict):
    """Limits on images."""

    max_pixels: Annotated[int, {"description": "width x height"}]
    max_side_ratio: Annotated[int, {"description": "long side / short side"}]
    max_body_bytes: int


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
        return JSONResponse(details, headers={"Cache-Control": "no-cache"})
