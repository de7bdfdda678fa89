"""The service as a whole: metadata and health."""

from __future__ import annotations

from typing import Literal, TypedDict

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from service import __version__
from service.web.routes.health import Health
from service.web.routes.operation import Operation, describe


class ServerMetadata(TypedDict):
    """Which program answers, and what it can besides the protocol."""

    name: Literal["fieldguide"]
    version: str
    extensions: list[str]


class Live(TypedDict):
    """The process is alive."""

    live: Literal[True]


class Ready(TypedDict):
    """Images are answered."""

    ready: Literal[True]


class InferenceServer:
    """The handlers."""

    def __init__(self, health: Health) -> None:
        self._health = health

    @describe(Operation(summary="Which program answers", answers={"application/json": ServerMetadata}))
    async def metadata(self, _request: Request) -> Response:
        """Name, version and extensions, as the Open Inference Protocol says them."""
        metadata: ServerMetadata = {
            "name": "fieldguide",
            "version": __version__,
            "extensions": ["binary_tensor_data", "classification"],
        }
        return JSONResponse(metadata)

    @describe(
        Operation(
            summary="Whether the process is alive", answers={"application/json": Live}, problems=(503,), public=True
        )
    )
    async def live(self, request: Request) -> Response:
        """As /livez."""
        await self._health.live(request)
        return JSONResponse({"live": True})

    @describe(
        Operation(
            summary="Whether images are answered", answers={"application/json": Ready}, problems=(503,), public=True
        )
    )
    async def ready(self, request: Request) -> Response:
        """As /readyz."""
        await self._health.ready(request)
        return JSONResponse({"ready": True})
