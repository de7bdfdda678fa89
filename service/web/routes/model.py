"""GET /v1/model: which model answers here."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from service.bundle.spec import Task
from service.settings import Settings
from service.web.engine.engine import Engine
from service.web.routes.operation import Operation, describe


class ImageLimits(TypedDict):
    """What an image may be."""

    max_pixels: Annotated[int, {"description": "width x height"}]
    max_side_ratio: Annotated[int, {"description": "long side / short side"}]
    max_body_bytes: int


class ModelRecord(TypedDict):
    """What the service says of its model."""

    name: str
    version: str
    digest: Annotated[str, {"description": "of the bundle's manifest", "pattern": "^sha256:[0-9a-f]{64}$"}]
    task: Task
    classes: Annotated[list[str], {"description": "in the order of the model's output"}]
    thresholds: Annotated[
        list[float], {"description": "classification: one, under which the answer is no label; multilabel: one a class"}
    ]
    pixels: Annotated[dict[str, int | str], {"description": "how an image becomes the model's input"}]
    heatmaps: Annotated[bool, {"description": "whether heatmaps can be asked for"}]
    limits: ImageLimits
    metrics: Annotated[dict[str, Any], {"description": "measured on the validation images when the bundle was made"}]


class Model:
    """The handler."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings

    @describe(Operation(summary="Which model answers here", answers={"application/json": ModelRecord}, problems=(503,)))
    async def get(self, _request: Request) -> Response:
        """The model's card in JSON, and what an image may be."""
        predictor = self._engine.predictor
        record: ModelRecord = {
            "name": predictor.name,
            "version": predictor.version,
            "digest": predictor.digest,
            "task": predictor.spec.task,
            "classes": list(predictor.spec.classes),
            "thresholds": list(predictor.spec.thresholds),
            "pixels": predictor.spec.pixels.to_json(),
            "heatmaps": predictor.has_heatmaps,
            "limits": {
                "max_pixels": predictor.limits.max_pixels,
                "max_side_ratio": predictor.limits.max_side_ratio,
                "max_body_bytes": self._settings.max_body_bytes,
            },
            "metrics": dict(predictor.metrics),
        }
        return JSONResponse(record, headers={"Cache-Control": "no-cache"})
