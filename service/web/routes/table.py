"""Every path, and who answers there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from starlette.middleware import Middleware
from starlette.routing import Route

from service.settings import Settings
from service.web.engine.engine import Engine
from service.web.routes.analyze import Analyze
from service.web.routes.health import Health
from service.web.routes.hugging_face import HuggingFace
from service.web.routes.metrics import MetricsText
from service.web.routes.model import Model
from service.web.routes.open_inference import open_inference_routes
from service.web.routes.openapi import Info, OpenApi
from service.web.routes.operation import operation_of
from service.web.routes.page import page_routes
from service.web.routes.predict import Predict
from service.web.routes.resource import Resource
from service.web.telemetry.ledger import Ledger

# Watchdogs ask for these by address.
WATCHED_PATHS = frozenset({"/livez", "/readyz", "/v2/health/live", "/v2/health/ready"})


def all_routes(
    engine: Engine, settings: Settings, *, ledger: Ledger, info: Info, around_uploads: Sequence[Middleware]
) -> list[Route]:
    """The routes that the settings switch on; reads the files of the page.

    around_uploads  the layers of every route that takes an image, outermost first
    """
    health, openapi = Health(engine), OpenApi(info)
    routes = [
        Route("/v1/predict", Resource(post=Predict(engine, settings).post), middleware=around_uploads),
        Route("/v1/model", Resource(get=Model(engine, settings).get)),
        Route("/analyze", Resource(post=Analyze(engine, settings).post), middleware=around_uploads),
        Route("/livez", Resource(get=health.live)),
        Route("/readyz", Resource(get=health.ready)),
        *page_routes(),
    ]
    if settings.open_inference == "on":
        routes += open_inference_routes(engine, settings, health, around_uploads=around_uploads)
    if settings.hugging_face == "on":
        hugging_face = Resource(post=HuggingFace(engine, settings).post)
        routes.append(Route("/models/{name:path}", hugging_face, middleware=around_uploads))
    routes.append(Route("/metrics", Resource(get=MetricsText(ledger).get)))
    routes.append(Route("/openapi.json", Resource(get=openapi.get)))
    openapi.write(routes)
    return routes


def public_paths(routes: Iterable[Route]) -> frozenset[str]:
    """The paths of Resources whose every handler is described as public."""
    return frozenset(
        route.path
        for route in routes
        if isinstance(route.endpoint, Resource)
        and all(operation_of(handler).public for handler in route.endpoint.handlers.values())
    )
