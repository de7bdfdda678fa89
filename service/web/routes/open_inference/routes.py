"""The paths of the protocol."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.middleware import Middleware
from starlette.routing import Route

from service.settings import Settings
from service.web.engine.engine import Engine
from service.web.routes.health import Health
from service.web.routes.open_inference.model import InferenceModel
from service.web.routes.open_inference.server import InferenceServer
from service.web.routes.resource import Resource


def open_inference_routes(
    engine: Engine, settings: Settings, health: Health, *, around_uploads: Sequence[Middleware]
) -> list[Route]:
    """Every path under /v2. A model's name may hold slashes, so that the longer paths come first."""
    server, model = InferenceServer(health), InferenceModel(engine, settings)
    versioned, named = "/v2/models/{name:path}/versions/{version}", "/v2/models/{name:path}"
    return [
        Route("/v2", Resource(get=server.metadata)),
        Route("/v2/health/live", Resource(get=server.live)),
        Route("/v2/health/ready", Resource(get=server.ready)),
        *(
            Route(path + verb, resource, middleware=layers)
            for verb, resource, layers in (
                ("/infer", Resource(post=model.infer), around_uploads),
                ("/ready", Resource(get=model.ready), ()),
                ("", Resource(get=model.metadata), ()),
            )
            for path in (versioned, named)
        ),
    ]
